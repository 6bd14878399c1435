import { setImmediate as nextTurn } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { MongoServerError, type Collection } from "mongodb";
import type { SnapshotHead } from "../../../commands/ports.js";
import type { Chunk } from "../../../domain/kernel/chunks.snapshot.js";
import { reachable } from "../../engines/mongodb/connection.js";
import {
  digestTextOf,
  headDigestOf,
  isSound,
  partIdsOf,
  partsOf,
  type ChunkEntry,
  type HeadDocument,
  type PartDocument,
  type SnapshotCollections,
} from "./documents.js";

export type Snapshot = SnapshotHead & { readonly chunks: readonly Chunk[] };

/** Other processes that save the same stream at the same moment. */
const racesMax = 5;
/** Of one insert. */
const insertBytesMax = 4 * 1024 * 1024;
const duplicateKey = 11_000;

/**
 * Writes the chunks that are not there yet, then the head that names them, then removes what the head before it had and
 * this one has not. A kill before the head leaves the old snapshot, one after it the new one, and a mark in
 * `snapshot_saves` by which the sweep finds what is left over.
 *
 * When others save the same stream meanwhile, the one that has folded further stays.
 * @throws StoreUnavailable
 */
export const saveSnapshot = async (to: SnapshotCollections, stream: string, snapshot: Snapshot): Promise<void> => {
  for (let races = 0; races < racesMax; races += 1) {
    const saveId = randomUUID();
    const before = await reachable(() => to.heads.findOne({ _id: stream }));
    if (races > 0 && before?.version === snapshot.version && before.revision >= snapshot.revision) return;
    await reachable(() => to.saves.insertOne({ _id: saveId, stream, startedAt: new Date() }));
    const head = await writeChunks(to.parts, stream, saveId, snapshot, before);
    const isSwitched = await reachable(() => switchHead(to.heads, head, before));
    await tidy(to, saveId, isSwitched ? before : head, isSwitched ? head : before);
    if (isSwitched) return;
  }
  throw new Error(`the snapshot of ${stream} was replaced by others ${racesMax} times while it was saved`);
};

const writeChunks = async (
  parts: Collection<PartDocument>,
  stream: string,
  saveId: string,
  { chunks, version, revision, eventId }: Snapshot,
  before: HeadDocument | null,
): Promise<HeadDocument> => {
  const held = new Map(
    before?.version === version && isSound(before)
      ? before.chunks.filter(({ fixed }) => fixed).map((entry) => [entry.name, entry])
      : [],
  );
  const entries: ChunkEntry[] = [];
  let waiting: PartDocument[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    const documents = waiting;
    [waiting, waitingBytes] = [[], 0];
    if (documents.length > 0) await reachable(() => parts.insertMany(documents, { ordered: false }));
  };
  for (const [index, { name, fixed, data }] of chunks.entries()) {
    const kept = fixed ? held.get(name) : undefined;
    if (kept !== undefined) {
      entries.push(kept);
      continue;
    }
    const bytes = data();
    const made = partsOf(stream, saveId, index, bytes);
    entries.push({ name, fixed, parts: made.map(({ _id }) => _id), digest: digestTextOf(bytes) });
    for (const part of made) {
      if (waitingBytes + part.data.length() > insertBytesMax) await flush();
      waiting.push(part);
      waitingBytes += part.data.length();
    }
    // A large group has a hundred chunks to encode: clients that wait meanwhile are served in between.
    await nextTurn();
  }
  await flush();
  const head = { _id: stream, saveId, version, revision, eventId, chunks: entries };
  return { ...head, digest: headDigestOf(head) };
};

/** False when another head than `before` is there by now. */
const switchHead = async (
  heads: Collection<HeadDocument>,
  head: HeadDocument,
  before: HeadDocument | null,
): Promise<boolean> => {
  if (before !== null) {
    const { _id, ...rest } = head;
    return (await heads.replaceOne({ _id, saveId: before.saveId }, rest)).matchedCount === 1;
  }
  try {
    await heads.insertOne(head);
    return true;
  } catch (error) {
    if (error instanceof MongoServerError && error.code === duplicateKey) return false;
    throw error;
  }
};

/** Removes the parts that `dropped` has and `kept` has not, then the mark of the save. */
const tidy = (
  { parts, saves }: SnapshotCollections,
  saveId: string,
  dropped: HeadDocument | null,
  kept: HeadDocument | null,
): Promise<void> =>
  reachable(async () => {
    const wanted = new Set(partIdsOf(kept));
    const unwanted = partIdsOf(dropped).filter((id) => !wanted.has(id));
    if (unwanted.length > 0) await parts.deleteMany({ _id: { $in: unwanted } });
    // What a damaged head should have named is left to the sweep, by this mark.
    if (dropped === null || isSound(dropped)) await saves.deleteOne({ _id: saveId });
  });
