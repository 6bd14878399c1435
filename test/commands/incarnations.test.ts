import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { incarnationsOf, mergedIncarnations } from "../../src/commands/sealing/data-keys.js";
import { withSeed } from "../kit/seed.js";

const keyOf = (name: string): Buffer => createHash("sha256").update(name).digest();
const stored = (names: readonly string[]) =>
  names.map((name, i) => ({ id: i === 0 ? "#incarnation" : `#incarnation/${i + 1}`, key: keyOf(name) }));
const listed = async (keys: readonly { readonly id: string; readonly key: Buffer }[]) => {
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  const find = (id: string) => Promise.resolve(byId.get(id));
  return incarnationsOf({ find, obtain: (id) => Promise.resolve(byId.get(id) ?? keyOf("made")) });
};
const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), { maxLength: 6 });

describe("two stores of keys that become one", () => {
  it("have the incarnations of both: what came before what was there, and keys go on under the own newest one", async () => {
    await fc.assert(
      fc.asyncProperty(names, names, async (coming, own) => {
        const { away, keys } = mergedIncarnations(stored(coming), stored(own));
        const left = stored(own).filter(({ id }) => !away.includes(id));
        const all = [...new Map([...left, ...keys].map((entry) => [entry.id, entry])).values()];
        const expected = [...coming.filter((name) => !own.includes(name)), ...own];
        const found = expected.length === 0 ? [] : await listed(all);
        expect(found).toEqual(expected.map((name) => keyOf(name).subarray(0, 9).toString("base64url")));
        expect(all).toHaveLength(expected.length);
        // A second time there is nothing to do.
        expect(mergedIncarnations(stored(coming), all)).toEqual({ away: [], keys: [] });
      }),
      withSeed({ numRuns: 200 }),
    );
  });
});
