import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  consistencyPath,
  emptyRoot,
  growTree,
  inclusionPath,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type Hash,
  type Range,
} from "../../src/audit/merkle.js";
import { withSeed } from "../kit/seed.js";

/** The leaves and roots that Certificate Transparency's implementations are tested with. */
const knownLeaves = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => leafHash(Buffer.from(hex, "hex")));
const knownRoots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const sizeMax = 70;
const leaves = Array.from({ length: sizeMax }, (_, index) => leafHash(`leaf ${index}`));

const rootOf = (hashes: readonly Hash[]): Hash => {
  const tree = growTree();
  for (const hash of hashes) tree.push(hash);
  return tree.root();
};
const hashesOf = (path: readonly Range[], of = leaves): Hash[] =>
  path.map(([start, end]) => rootOf(of.slice(start, end)));
const sizes = Array.from({ length: sizeMax }, (_, index) => index + 1);

/** One bit of one hash, one hash more, one less, or two changed about: none of them is the same proof. */
const altered = fc.record({
  kind: fc.constantFrom("bit", "more", "less", "swapped"),
  at: fc.nat(),
  bit: fc.nat({ max: 255 }),
});
type Alteration = typeof altered extends fc.Arbitrary<infer A> ? A : never;
const alter = (proof: readonly Hash[], { kind, at, bit }: Alteration): readonly Hash[] | undefined => {
  if (kind === "more") return proof.toSpliced(at % (proof.length + 1), 0, leafHash("more"));
  if (proof.length === 0) return undefined;
  const index = at % proof.length;
  if (kind === "less") return proof.toSpliced(index, 1);
  const hash = proof[index];
  if (hash === undefined) return undefined;
  if (kind === "swapped") {
    const next = proof[index + 1];
    return next === undefined ? undefined : proof.toSpliced(index, 2, next, hash);
  }
  const flipped = Buffer.from(hash);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return proof.with(index, flipped);
};

describe("the tree of RFC 9162", () => {
  it("has the roots that Certificate Transparency's own tests have", () => {
    const tree = growTree();
    expect(tree.root()).toEqual(emptyRoot());
    expect(emptyRoot().toString("hex")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const [index, leaf] of knownLeaves.entries()) {
      tree.push(leaf);
      expect(tree.root().toString("hex")).toBe(knownRoots[index]);
    }
  });

  it("has the proofs of the RFC's example of seven leaves", () => {
    // RFC 9162, 2.1.5.
    expect(inclusionPath(0, 7)).toEqual([
      [1, 2],
      [2, 4],
      [4, 7],
    ]); // b h l
    expect(inclusionPath(3, 7)).toEqual([
      [2, 3],
      [0, 2],
      [4, 7],
    ]); // c g l
    expect(inclusionPath(4, 7)).toEqual([
      [5, 6],
      [6, 7],
      [0, 4],
    ]); // f j k
    expect(inclusionPath(6, 7)).toEqual([
      [4, 6],
      [0, 4],
    ]); // i k
    expect(consistencyPath(3, 7)).toEqual([
      [2, 3],
      [3, 4],
      [0, 2],
      [4, 7],
    ]); // c d g l
    expect(consistencyPath(4, 7)).toEqual([[4, 7]]); // l
    expect(consistencyPath(6, 7)).toEqual([
      [4, 6],
      [6, 7],
      [0, 4],
    ]); // i j k
  });

  it("proves each leaf of each size, and each size's beginning", () => {
    for (const size of sizes) {
      const root = rootOf(leaves.slice(0, size));
      for (let index = 0; index < size; index += 1) {
        const leaf = leaves[index] ?? emptyRoot();
        const proof = hashesOf(inclusionPath(index, size));
        expect(verifyInclusion({ leaf, index, size, root }, proof), `${index} of ${size}`).toBe(true);
        const old = { size: index + 1, root: rootOf(leaves.slice(0, index + 1)) };
        const growth = hashesOf(consistencyPath(old.size, size));
        expect(verifyConsistency(old, { size, root }, growth), `${old.size} in ${size}`).toBe(true);
      }
    }
  });

  it("takes no altered proof, and none of another leaf, index, size or root", () => {
    const place = fc.integer({ min: 1, max: sizeMax }).chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1)));
    fc.assert(
      fc.property(place, altered, fc.nat({ max: 254 }), ([size, index], alteration, other) => {
        const root = rootOf(leaves.slice(0, size));
        const leaf = leaves[index] ?? emptyRoot();
        const proof = hashesOf(inclusionPath(index, size));
        const asked = { leaf, index, size, root };
        const worse = alter(proof, alteration);
        if (worse !== undefined) expect(verifyInclusion(asked, worse)).toBe(false);
        expect(verifyInclusion({ ...asked, leaf: leafHash("another") }, proof)).toBe(false);
        expect(verifyInclusion({ ...asked, root: leafHash("another") }, proof)).toBe(false);
        expect(verifyInclusion({ ...asked, index: size }, proof)).toBe(false);
        if (other % size !== index) expect(verifyInclusion({ ...asked, index: other % size }, proof)).toBe(false);

        const old = { size: index + 1, root: rootOf(leaves.slice(0, index + 1)) };
        const growth = hashesOf(consistencyPath(old.size, size));
        const worseGrowth = alter(growth, alteration);
        if (worseGrowth !== undefined) expect(verifyConsistency(old, { size, root }, worseGrowth)).toBe(false);
        expect(verifyConsistency({ ...old, root: leafHash("another") }, { size, root }, growth)).toBe(false);
        expect(verifyConsistency(old, { size, root: leafHash("another") }, growth)).toBe(false);
        // A history that was rewritten before the old size has no proof, whatever the new tree's own hashes are.
        const rewritten = leaves.with(index, leafHash("rewritten"));
        const rewrittenRoot = rootOf(rewritten.slice(0, size));
        const forged = hashesOf(consistencyPath(old.size, size), rewritten);
        expect(verifyConsistency(old, { size, root: rewrittenRoot }, forged)).toBe(false);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it("does not end where 32 bits do", () => {
    const size = 2 ** 40 + 3;
    expect(inclusionPath(2 ** 40 + 1, size)).toEqual([
      [2 ** 40, 2 ** 40 + 1],
      [2 ** 40 + 2, size],
      [0, 2 ** 40],
    ]);
    const [leaf, sibling, right, left] = [leafHash("a"), leafHash("b"), leafHash("c"), leafHash("d")];
    const root = nodeHash(left, nodeHash(nodeHash(sibling, leaf), right));
    expect(verifyInclusion({ leaf, index: 2 ** 40 + 1, size, root }, [sibling, right, left])).toBe(true);
    expect(verifyInclusion({ leaf, index: 2 ** 8 + 1, size, root }, [sibling, right, left])).toBe(false);
  });
});
