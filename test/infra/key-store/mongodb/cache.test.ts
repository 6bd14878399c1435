import { describe, expect, it } from "vitest";
import { createAgingKeys } from "../../../../src/infra/key-store/mongodb/cache.js";

const bytes = (text: string): Buffer => Buffer.from(text);

const create = (keysMax = 3) => {
  let now = 0;
  const keys = createAgingKeys(keysMax, () => now);
  const at = (time: number): typeof keys => {
    now = time;
    return keys;
  };
  for (const [index, keyId] of ["a", "b", "c"].entries()) at(index).put(keyId, bytes(keyId), `mark ${keyId}`, index);
  return {
    keys,
    at,
    there: () => ["a", "b", "c", "d"].filter((keyId) => keys.due(Infinity, 9).some(([id]) => id === keyId)),
  };
};

describe("keys in memory", () => {
  it("are looked for again in the order in which that was done last, whichever were used meanwhile", () => {
    const { keys, at } = create();
    at(10).get("a");
    keys.confirm("b", 10);
    keys.confirm("unknown", 10);
    expect(keys.due(10, 9)).toEqual([
      ["a", "mark a"],
      ["c", "mark c"],
    ]);
    expect(keys.due(11, 2).map(([keyId]) => keyId)).toEqual(["a", "c"]);
    expect(keys.due(0, 9)).toEqual([]);
  });

  it("give way when they are the least recently used, and being looked for is not being used", () => {
    const { keys, at, there } = create();
    at(10).get("a");
    keys.confirm("b", 11);
    at(12).put("d", bytes("d"), "mark d", 12);
    expect(there()).toEqual(["a", "c", "d"]);
    expect(keys.size()).toBe(3);
  });

  it("are forgotten when nobody has used them since, and no others", () => {
    const { keys, at, there } = create();
    at(10).get("b");
    keys.confirm("a", 20);
    keys.forgetUnused(2);
    expect(there()).toEqual(["b", "c"]);
    keys.forgetUnused(5);
    expect(there()).toEqual(["b"]);
    keys.forgetUnused(11);
    expect([there(), keys.size()]).toEqual([[], 0]);
  });

  it("are the same bytes for as long as their wrapping is", () => {
    const { keys } = create();
    const first = keys.get("a")?.key;
    expect(keys.put("a", bytes("again"), "mark a", 5)).toBe(first);
    expect(keys.put("a", bytes("other"), "another mark", 6)).toEqual(bytes("other"));
    keys.drop("a");
    expect(keys.get("a")).toBeUndefined();
    expect(keys.due(Infinity, 9).map(([keyId]) => keyId)).toEqual(["b", "c"]);
  });
});
