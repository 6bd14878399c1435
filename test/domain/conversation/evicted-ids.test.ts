import { describe, expect, it } from "vitest";
import { addEvicted, mayBeEvicted, noEvictedIds, evictedBytes } from "../../../src/domain/conversation/evicted-ids.js";
import { wordsOf } from "../../../src/domain/conversation/id-words.js";
import { messageOf } from "../../kit/conversations.js";

describe("the filter of evicted ids", () => {
  const ids = 100_000;
  const evicted = noEvictedIds();
  const add = (id: string): void => {
    const { first, last } = wordsOf(id);
    addEvicted(evicted, first, last);
  };
  const mayBe = (id: string): boolean => {
    const { first, last } = wordsOf(id);
    return mayBeEvicted(evicted, first, last);
  };
  for (let i = 0; i < ids; i++) add(messageOf("alice", `m${i}`));

  it("knows the ids that were added", () => {
    for (let i = 0; i < ids; i += 7) expect(mayBe(messageOf("alice", `m${i}`))).toBe(true);
  });

  it("takes a new id for an old one less than once in ten thousand", () => {
    const probes = 100_000;
    let hits = 0;
    for (let i = 0; i < probes; i++) if (mayBe(messageOf("bob", `n${i}`))) hits += 1;
    expect(hits / probes).toBeLessThan(1 / 10_000);
  });

  it("is some four bytes an id", () => {
    expect(evictedBytes(evicted) / ids).toBeGreaterThan(3.9);
    expect(evictedBytes(evicted) / ids).toBeLessThan(5);
  });
});
