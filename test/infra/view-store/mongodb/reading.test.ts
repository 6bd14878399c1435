import type { Db } from "mongodb";
import { describe, expect, it } from "vitest";
import { asPosition } from "../../../../src/domain/kernel/stream.js";
import { collectionOf } from "../../../../src/infra/view-store/mongodb/documents.js";
import { createLooks } from "../../../../src/infra/view-store/mongodb/generations/looks.js";
import {
  firstPointer,
  switched,
  withState,
  created,
} from "../../../../src/infra/view-store/mongodb/generations/pointer.js";
import { createReading } from "../../../../src/infra/view-store/mongodb/generations/reading.js";
import type { Standing } from "../../../../src/infra/view-store/mongodb/generations/standing.js";
import { rowsNames } from "../../../../src/projections/named.js";

/** One partition; how far each generation is. */
const standing = (pointer: Standing["pointer"], positions: Readonly<Record<number, number>>): Standing => ({
  pointer,
  epoch: "e",
  checkpoints: (generation) => [{ position: asPosition(positions[generation] ?? 0), epoch: "e" }],
  stored: () => ({}),
});
const building = withState(created(firstPointer, rowsNames, asPosition(1)), 2, "ready");
const [before, after] = [building, switched(building, 2)];

const readerOf = (first: Standing) => {
  const asked: string[] = [];
  const collection = (name: string) => ({
    findOne: () => {
      asked.push(name);
      return Promise.resolve(null);
    },
  });
  let now = first;
  const reading = createReading({ collection } as unknown as Db, first);
  const looks = createLooks(
    () => Promise.resolve(now),
    first,
    reading.looked,
    () => undefined,
  );
  const reads = reading.reads(looks);
  return {
    look: async (next: Standing) => {
      now = next;
      return (await reading.checkpoint(looks))?.position;
    },
    /** Which generation of the users a read asks. */
    read: async () => {
      await reads.user("alice");
      return [1, 2].find((generation) => collectionOf("users", generation) === asked.at(-1));
    },
  };
};

describe("a reader of generations", () => {
  it("goes over once the new one has all that it was told is there, and is never told less", async () => {
    const reader = readerOf(standing(before, { 1: 10, 2: 10 }));
    expect(await reader.look(standing(before, { 1: 20, 2: 10 }))).toBe(20);
    // A projector that does not know generations was quicker than the switch.
    expect([await reader.look(standing(after, { 1: 21, 2: 19 })), await reader.read()]).toEqual([21, 1]);
    expect([await reader.look(standing(after, { 1: 22, 2: 20 })), await reader.read()]).toEqual([22, 1]);
    expect([await reader.look(standing(after, { 1: 22, 2: 22 })), await reader.read()]).toEqual([22, 2]);
    expect([await reader.look(standing(after, { 1: 99, 2: 23 })), await reader.read()]).toEqual([23, 2]);
  });

  it("does not stay at one that is gone", async () => {
    const reader = readerOf(standing(before, { 1: 20, 2: 10 }));
    const entries = after.entries.filter(({ number }) => number === 2);
    expect([await reader.look(standing({ ...after, entries }, { 2: 15 })), await reader.read()]).toEqual([20, 2]);
  });
});
