import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  consistencyPath,
  growTree,
  inclusionPath,
  leafHash,
  type Hash,
  type Range,
} from "../../../src/audit/merkle.js";
import { growTiles, leafAt, positionOfLeaf, rangeHash } from "../../../src/audit/tree/tiles.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";
import { withSeed } from "../../kit/seed.js";
import { memoryTree } from "../../kit/tree.js";

const leaf = (index: number): Hash => leafHash(`leaf ${index}`);
const position = (index: number) => asPosition(index * 3 + 7);
const rootOf = ([start, end]: Range): Hash => {
  const tree = growTree();
  for (let index = start; index < end; index += 1) tree.push(leaf(index));
  return tree.root();
};

/** Written in steps, each by tiles that begin at what is stored, as after a restart. */
const grown = async (steps: readonly number[]) => {
  const store = memoryTree();
  let size = 0;
  for (const step of steps) {
    const tiles = await growTiles(store, size);
    for (; tiles.size() < size + step;) tiles.push(leaf(tiles.size()), position(tiles.size()));
    size = tiles.size();
    await store.write(tiles.take(), { position: position(size), size, epoch: "e" });
  }
  return { store, size };
};

describe("the tree in tiles", () => {
  it("has the hash of every range that a proof asks for, however it has grown", async () => {
    const steps = fc.array(fc.oneof(fc.constantFrom(1, 255, 256, 257), fc.nat({ max: 400 })), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (all, at) => {
        const { store, size } = await grown(all);
        expect(await rangeHash(store, [0, size])).toEqual(rootOf([0, size]));
        if (size === 0) return;
        const index = at % size;
        for (const range of [
          ...inclusionPath(index, size),
          ...consistencyPath(index + 1, size),
          [0, index + 1] as const,
        ])
          expect(await rangeHash(store, range)).toEqual(rootOf(range));
        expect(await positionOfLeaf(store, index)).toBe(position(index));
        expect(await leafAt(store, size, position(index))).toBe(index);
        expect(await leafAt(store, size, asPosition(position(index) + 1))).toBeUndefined();
      }),
      withSeed({ numRuns: 25 }),
    );
  });

  it("has three levels above 65,536 leaves", async () => {
    const { store, size } = await grown([65_535, 1, 300]);
    const whole = growTree();
    for (let index = 0; index < size; index += 1) whole.push(leaf(index));
    expect(await rangeHash(store, [0, size])).toEqual(whole.root());
    expect(await store.tile(2, 0)).toEqual(await rangeHash(store, [0, 65_536]));
  });
});
