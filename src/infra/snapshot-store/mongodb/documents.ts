/**
 * Two collections: `snapshots` has one head a stream, which names its chunks; `snapshot_chunks` has the bytes, in
 * documents that are never changed. A third, `snapshot_saves`, has the saves that have not tidied up yet.
 */
import { Binary, type Collection, type Db } from "mongodb";
import type { SnapshotHead } from "../../../commands/ports.js";
import { digestOf } from "../digest.js";

export type HeadDocument = SnapshotHead & {
  /** The stream. */
  readonly _id: string;
  /** Of the save that wrote this head: only a save that has seen a head replaces it. */
  readonly saveId: string;
  readonly chunks: readonly ChunkEntry[];
  /** Of everything else in here. */
  readonly digest: string;
};
export type ChunkEntry = {
  readonly name: string;
  readonly fixed: boolean;
  /** Documents of `snapshot_chunks` whose bytes make up the chunk, in order. */
  readonly parts: readonly string[];
  /** Of the whole chunk's bytes. */
  readonly digest: string;
};
export type PartDocument = {
  readonly _id: string;
  readonly stream: string;
  readonly savedAt: Date;
  readonly data: Binary;
};
export type SaveDocument = { readonly _id: string; readonly stream: string; readonly startedAt: Date };

export type SnapshotCollections = {
  readonly heads: Collection<HeadDocument>;
  readonly parts: Collection<PartDocument>;
  readonly saves: Collection<SaveDocument>;
};

/** A snapshot that a fail-over takes back is a longer fold: no save waits for a majority. */
const disposable = { readPreference: "primary", readConcern: { level: "local" }, writeConcern: { w: 1 } } as const;

export const collectionsOf = (db: Db): SnapshotCollections => ({
  heads: db.collection<HeadDocument>("snapshots", disposable),
  parts: db.collection<PartDocument>("snapshot_chunks", disposable),
  saves: db.collection<SaveDocument>("snapshot_saves", disposable),
});

/** MongoDB takes documents of 16 MiB. */
const partBytesMax = 8 * 1024 * 1024;

/** An empty chunk has no part. */
export const partsOf = (stream: string, saveId: string, index: number, data: Uint8Array): PartDocument[] =>
  Array.from({ length: Math.ceil(data.length / partBytesMax) }, (_, part) => ({
    _id: `${saveId}/${index}.${part}`,
    stream,
    savedAt: new Date(),
    data: new Binary(data.subarray(part * partBytesMax, (part + 1) * partBytesMax)),
  }));

/** Of a damaged head none: what it should name is unknown. */
export const partIdsOf = (head: HeadDocument | null): readonly string[] =>
  head !== null && isSound(head) ? head.chunks.flatMap(({ parts }) => parts) : [];

/** As it stands in a head: base64. */
export const digestTextOf = (data: Uint8Array | string): string => digestOf(data).toString("base64");

/** The order of the fields in a document is not part of it. */
export const headDigestOf = ({ _id, saveId, version, revision, eventId, chunks }: Omit<HeadDocument, "digest">) =>
  digestTextOf(
    JSON.stringify([
      ...[_id, saveId, version, revision, eventId],
      chunks.map(({ name, fixed, parts, digest }) => [name, fixed, parts, digest]),
    ]),
  );

export const isSound = (head: HeadDocument): boolean => {
  try {
    return headDigestOf(head) === head.digest;
  } catch {
    // A head whose chunks are no list has no digest: that is damage as well.
    return false;
  }
};
