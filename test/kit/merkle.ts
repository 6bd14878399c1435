import { createHash } from "node:crypto";

const hashed = (...parts: readonly (Buffer | string)[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const treeHash = (leaves: readonly string[]): Buffer => {
  if (leaves.length <= 1) return leaves[0] === undefined ? hashed() : hashed(Buffer.of(0), leaves[0]);
  // The largest power of two below the number of leaves.
  const left = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return hashed(Buffer.of(1), treeHash(leaves.slice(0, left)), treeHash(leaves.slice(left)));
};

/** MTH of RFC 9162 §2.1.1, word for word, in hex. */
export const rootOf = (leaves: readonly string[]): string => treeHash(leaves).toString("hex");
