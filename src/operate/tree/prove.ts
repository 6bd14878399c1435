/** Proofs that an event is in the log that a head signs, and that one head's log goes on with another's. */
import { canonicalOf, isLeaf } from "../../audit/canonical.js";
import {
  consistencyPath,
  inclusionPath,
  leafHash,
  verifyConsistency,
  verifyInclusion,
  type Hash,
} from "../../audit/merkle.js";
import { IncompleteTree, leafAt, rangeHash } from "../../audit/tree/tiles.js";
import { asPosition, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { TreeReads } from "../../projections/ports/tree-store.js";
import { toldHead, type ToldHead } from "../../audit/tree/head.js";
import type { Closers } from "../../profiles/close-all.js";
import { filesOf } from "../../profiles/data-directory.js";
import { closeQuietly } from "../doctor/probe.js";
import type { EventPlace } from "../inspect/log.js";
import { openToRead } from "../open.js";
import type { LogToRead, Target } from "../target.js";
import { findHead } from "./heads.js";
import { openTreeReads } from "./open.js";

/** It cannot be proved now; the message says why and what to do. */
export class NoProof extends Error {}

export type Inclusion = {
  readonly position: number;
  /** The canonical form of the event: its bytes are what is hashed. */
  readonly leaf: string;
  readonly leafHash: string;
  readonly index: number;
  /** Hashes from the leaf's sibling upwards (hex). */
  readonly proof: readonly string[];
  readonly head: ToldHead;
};
export type Consistency = {
  readonly old: { readonly size: number; readonly root: string };
  readonly new: { readonly size: number; readonly root: string };
  readonly proof: readonly string[];
  /** Those of the two sizes that the log has signed heads of. */
  readonly heads: readonly ToldHead[];
};

/** @throws (rejects) NoProof, NotThere, Error */
export const proveInclusion = (target: Target, place: EventPlace): Promise<Inclusion> =>
  withTree(target, async (log, reads) => {
    const event = await eventAt(log, place);
    const index = await leafAt(reads, await sizeOf(reads), event.position);
    const newest = (await findHead(log))?.head;
    if (index === undefined || newest === undefined || index >= newest.size)
      throw new NoProof("no head covers this event yet: try again in a minute, while a server runs");
    const [leaf, hash] = [canonicalOf(event), leafHash(canonicalOf(event))];
    const proof = await hashes(reads, inclusionPath(index, newest.size));
    const root = Buffer.from(newest.root, "hex");
    if (!verifyInclusion({ leaf: hash, index, size: newest.size, root }, proof))
      throw new NoProof("the event is not what was signed: parley audit verify says where the log was changed");
    return {
      position: event.position,
      leaf,
      leafHash: hex(hash),
      index,
      proof: proof.map(hex),
      head: toldHead(newest),
    };
  });

/** Of two sizes, which heads have. @throws (rejects) NoProof, NotThere, Error */
export const proveConsistency = (target: Target, older: number, newer: number): Promise<Consistency> =>
  withTree(target, async (log, reads) => {
    const size = await sizeOf(reads);
    if (newer > size)
      throw new NoProof(`the tree has ${size} leaves: name sizes of heads, which parley audit head shows`);
    const [old, now] = [await treeOf(reads, older), await treeOf(reads, newer)];
    const proof = await hashes(reads, consistencyPath(older, newer));
    if (!verifyConsistency(old, now, proof))
      throw new NoProof("the hashes that the server keeps contradict themselves");
    const found = [await findHead(log, older), await findHead(log, newer)].flatMap((head) =>
      head === undefined ? [] : [head.head],
    );
    for (const head of found)
      if (head.root !== hex(head.size === older ? old.root : now.root))
        throw new NoProof(
          `the head of ${head.size} leaves signs another root: parley audit verify says where the log was changed`,
        );
    return {
      old: { size: older, root: hex(old.root) },
      new: { size: newer, root: hex(now.root) },
      proof: proof.map(hex),
      heads: found.map(toldHead),
    };
  });

const hex = (hash: Hash): string => hash.toString("hex");
const treeOf = async (reads: TreeReads, size: number) => ({ size, root: await rangeHash(reads, [0, size]) });
const hashes = (reads: TreeReads, path: ReturnType<typeof inclusionPath>): Promise<Hash[]> =>
  Promise.all(path.map((range) => rangeHash(reads, range)));
const sizeOf = async (reads: TreeReads): Promise<number> => (await reads.checkpoint())?.size ?? 0;

const eventAt = async (log: LogToRead, place: EventPlace): Promise<RecordedEvent> => {
  const [event] =
    "position" in place
      ? await log.readAll(asPosition(place.position - 1), 1)
      : await log.readStream(place.stream, place.revision, 1);
  const isIt = "position" in place ? event?.position === place.position : event?.revision === place.revision;
  if (event === undefined || !isIt)
    throw new NoProof("there is no such event: parley events tail shows positions and streams");
  if (!isLeaf(event.stream))
    throw new NoProof(`${event.stream} is not in the tree: it tells the log's incarnations only`);
  return event;
};

const withTree = async <A>(target: Target, use: (log: LogToRead, reads: TreeReads) => Promise<A>): Promise<A> => {
  const opened = await openToRead(target);
  const closers: Closers = [opened.close];
  try {
    const reads = await openTreeReads(target, closers);
    if (reads === undefined)
      throw new NoProof("there are no hashes yet (tree.db): start the server once, it makes them from the log");
    return await use(opened.log, reads);
  } catch (error) {
    if (!(error instanceof IncompleteTree)) throw error;
    throw new NoProof(`${error.message}. They are made anew from the log: ${renewing(target)}`);
  } finally {
    await closeQuietly(closers);
  }
};

const renewing = (target: Target): string =>
  target.profile === "embedded"
    ? `stop the server, remove ${filesOf(target.dir).tree}, and start it again`
    : "stop the projectors, drop the collections tree and treeCheckpoint, and start them again";
