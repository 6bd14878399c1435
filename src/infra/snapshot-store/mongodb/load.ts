import { randomUUID } from "node:crypto";
import type { StoredSnapshot } from "../../../commands/ports.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { digestTextOf, isSound, partIdsOf, type HeadDocument, type SnapshotCollections } from "./documents.js";

/** Saves that may overtake one load. */
const overtakenMax = 5;

/**
 * The head first, then the parts that it names. A save that switches the head meanwhile removes parts of the old one:
 * then the new head is loaded. Parts that are missing or damaged under a head that stays make it no snapshot; it is removed.
 * @throws StoreUnavailable
 */
export const loadSnapshot = async (
  from: SnapshotCollections,
  stream: string,
  version: number,
): Promise<StoredSnapshot | undefined> => {
  for (let overtaken = 0; overtaken < overtakenMax; overtaken += 1) {
    const head = await reachable(() => from.heads.findOne({ _id: stream }));
    if (head?.version !== version) return undefined;
    const chunks = isSound(head) ? await readChunks(from, head) : undefined;
    if (chunks !== undefined) return { version, revision: head.revision, eventId: head.eventId, chunks };
    if (await forget(from, head)) return undefined;
  }
  return undefined;
};

const readChunks = async (
  { parts }: SnapshotCollections,
  head: HeadDocument,
): Promise<ReadonlyMap<string, Uint8Array> | undefined> => {
  const ids = partIdsOf(head);
  const found = await reachable(() => parts.find({ _id: { $in: [...ids] } }, { projection: { data: 1 } }).toArray());
  const bytes = new Map(found.map(({ _id, data }) => [_id, data.value()]));
  if (bytes.size !== ids.length) return undefined;
  const chunks = new Map<string, Uint8Array>();
  for (const { name, parts: partIds, digest } of head.chunks) {
    const pieces = partIds.flatMap((id) => bytes.get(id) ?? []);
    const [only = new Uint8Array()] = pieces;
    const data = pieces.length > 1 ? Buffer.concat(pieces) : only;
    if (digestTextOf(data) !== digest) return undefined;
    chunks.set(name, data);
  }
  return chunks;
};

/** False when the head is another one by now. Its parts are left to the sweep: a damaged head may name the wrong ones. */
const forget = ({ heads, saves }: SnapshotCollections, { _id, saveId }: HeadDocument): Promise<boolean> =>
  reachable(async () => {
    await saves.insertOne({ _id: randomUUID(), stream: _id, startedAt: new Date() });
    return (await heads.deleteOne({ _id, saveId })).deletedCount === 1;
  });
