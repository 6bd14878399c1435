import fc from "fast-check";
import { expect, it } from "vitest";
import { createMerkleRoot } from "../../src/audit/merkle-root.js";
import { rootOf } from "../kit/merkle.js";

it("the root over leaves that come one by one is that of RFC 9162 over all of them", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 4 }), { maxLength: 70 }), (leaves) => {
      const tree = createMerkleRoot();
      for (const leaf of leaves) tree.add(leaf);
      expect([tree.size(), tree.root().toString("hex")]).toEqual([leaves.length, rootOf(leaves)]);
    }),
  );
  expect(rootOf([])).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});
