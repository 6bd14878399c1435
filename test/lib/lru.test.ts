import { LRUCache } from "lru-cache";
import { describe, expect, it } from "vitest";
import { entriesMax } from "../../src/lib/lru.js";

describe("as many entries", () => {
  it("are kept, those used last, and no places are taken for what has not come", () => {
    const cache = new LRUCache<string, boolean>(entriesMax(3));
    expect(cache.max).toBe(0);
    for (const key of ["a", "b", "c"]) cache.set(key, false);
    cache.get("a");
    cache.set("d", true);
    expect([...cache.keys()]).toEqual(["d", "a", "c"]);
    expect(cache.get("a")).toBe(false);
  });
});
