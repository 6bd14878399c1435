import { createHash } from "node:crypto";

const leafPrefix = Buffer.from([0]);
const nodePrefix = Buffer.from([1]);

/** RFC 9162 §2.1.1: the hash of a leaf that is this text, as UTF-8. */
export const leafHash = (text: string): Buffer => createHash("sha256").update(leafPrefix).update(text).digest();

/** RFC 9162 §2.1.1: the hash of a node over its two children. */
export const nodeHash = (left: Buffer, right: Buffer): Buffer =>
  createHash("sha256").update(nodePrefix).update(left).update(right).digest();

/** The root over leaves that come one after another, in memory that grows with the logarithm of their number. */
export const createMerkleRoot = () => {
  /** Roots of whole subtrees, the largest first; each has a power of two of leaves. */
  const subtrees: { readonly leaves: number; readonly hash: Buffer }[] = [];
  let size = 0;
  return {
    add: (text: string): void => {
      size += 1;
      let tree = { leaves: 1, hash: leafHash(text) };
      for (let last = subtrees.at(-1); last?.leaves === tree.leaves; last = subtrees.at(-1)) {
        subtrees.pop();
        tree = { leaves: last.leaves * 2, hash: nodeHash(last.hash, tree.hash) };
      }
      subtrees.push(tree);
    },
    size: (): number => size,
    /** Of no leaves the hash of nothing. */
    root: (): Buffer =>
      subtrees
        .map(({ hash }) => hash)
        .reduceRight<Buffer | undefined>(
          (right, left) => (right === undefined ? left : nodeHash(left, right)),
          undefined,
        ) ?? createHash("sha256").digest(),
  };
};
