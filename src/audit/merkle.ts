/**
 * The hash tree of RFC 9162 (2.1), as Certificate Transparency has it: a leaf's hash is SHA-256 of 0x00 and its bytes, a
 * node's of 0x01 and its two children. Sizes and indexes are whole numbers up to 2^53: no bit operators, which end at 2^32.
 */
import { createHash } from "node:crypto";

/** 32 bytes. */
export type Hash = Buffer;

/** From `start` up to, not including, `end`: the leaves of one subtree. */
export type Range = readonly [start: number, end: number];

const leafPrefix = Buffer.from([0]);
const nodePrefix = Buffer.from([1]);

export const hashBytes = 32;
export const leafHash = (bytes: string | Uint8Array): Hash =>
  createHash("sha256").update(leafPrefix).update(bytes).digest();
export const nodeHash = (left: Uint8Array, right: Uint8Array): Hash =>
  createHash("sha256").update(nodePrefix).update(left).update(right).digest();
/** The root of a tree without leaves. */
export const emptyRoot = (): Hash => createHash("sha256").digest();

/** A tree that grows by a leaf at a time, as the roots of its complete subtrees: some dozen hashes, whatever its size. */
export type GrowingTree = {
  /** By a leaf's hash. */
  readonly push: (leaf: Hash) => void;
  readonly size: () => number;
  readonly root: () => Hash;
};

export const growTree = (): GrowingTree => {
  /** The largest, leftmost first. */
  const subtrees: Hash[] = [];
  let size = 0;
  return {
    push: (leaf) => {
      let hash = leaf;
      for (let left = size; left % 2 === 1; left = (left - 1) / 2) hash = nodeHash(subtrees.pop() ?? hash, hash);
      subtrees.push(hash);
      size += 1;
    },
    size: () => size,
    root: () => subtrees.reduceRight<Hash | undefined>(joined, undefined) ?? emptyRoot(),
  };
};

const joined = (right: Hash | undefined, left: Hash): Hash => (right === undefined ? left : nodeHash(left, right));

/** The largest power of two below `leaves`, which are at least two: so many are left of the root. */
export const leftLeaves = (leaves: number): number => {
  let left = 1;
  while (left * 2 < leaves) left *= 2;
  return left;
};

/** Which subtrees' hashes prove that the leaf `index` is in the tree of `size` leaves, in the order of the proof (RFC 9162, 2.1.3.1). */
export const inclusionPath = (index: number, size: number): readonly Range[] => {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const path: Range[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + leftLeaves(end - start);
    path.push(index < middle ? [middle, end] : [start, middle]);
    if (index < middle) end = middle;
    else start = middle;
  }
  return path.reverse();
};

/** Which subtrees' hashes prove that the tree of `size` leaves begins with all leaves of the one of `old` (RFC 9162, 2.1.4.1). */
export const consistencyPath = (old: number, size: number): readonly Range[] => {
  if (!(old > 0 && old <= size)) throw new RangeError(`no tree of ${old} leaves is the beginning of one of ${size}`);
  const path: Range[] = [];
  let [start, end] = [0, size];
  while (old !== end) {
    const middle = start + leftLeaves(end - start);
    path.push(old <= middle ? [middle, end] : [start, middle]);
    if (old <= middle) end = middle;
    else start = middle;
  }
  // The old tree's root is what the verifier has; a subtree of it is not.
  if (start > 0) path.push([start, end]);
  return path.reverse();
};

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

/** Whether the leaf of this hash is at `index` in the tree of this size and root (RFC 9162, 2.1.3.2). */
export const verifyInclusion = (
  {
    leaf,
    index,
    size,
    root,
  }: { readonly leaf: Hash; readonly index: number; readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean => {
  if (!(index >= 0 && index < size)) return false;
  let [node, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && hash.equals(root);
};

export type SizeAndRoot = { readonly size: number; readonly root: Hash };

/** Whether the newer tree begins with all leaves of the older one (RFC 9162, 2.1.4.2). */
export const verifyConsistency = (older: SizeAndRoot, newer: SizeAndRoot, proof: readonly Hash[]): boolean => {
  if (older.size === newer.size) return proof.length === 0 && older.root.equals(newer.root);
  if (!(older.size > 0 && older.size < newer.size)) return false;
  let [node, last] = [older.size - 1, newer.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // A complete old tree is a subtree of the new one: then its root begins the proof.
  const [first, ...rest] = node === 0 ? [older.root, ...proof] : proof;
  if (first === undefined) return false;
  let [oldHash, newHash] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      oldHash = nodeHash(hash, oldHash);
      newHash = nodeHash(hash, newHash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else newHash = nodeHash(newHash, hash);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && oldHash.equals(older.root) && newHash.equals(newer.root);
};
