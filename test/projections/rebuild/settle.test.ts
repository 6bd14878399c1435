/** Two generations of one log that move between any two looks at them: what is said to differ, and what is not. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { asPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import type { GenerationReader, StoredRow } from "../../../src/projections/ports/generations.js";
import { compareAll } from "../../../src/projections/rebuild/compare-all.js";
import { project, views } from "../../../src/projections/registry.js";
import type { Project } from "../../../src/projections/runner.js";
import { foldChanges, type Key, type ViewName } from "../../../src/projections/view-change.js";
import { holds } from "../../../src/projections/views/stored-row.js";
import { logOf, logs } from "../../kit/arbitraries.js";
import { seed, withSeed } from "../../kit/seed.js";

const viewNames = Object.keys(views) as readonly ViewName[];
const compareKeys = (_: ViewName, a: Key, b: Key): number => {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/** Rows that a prefix of the log makes; `step` is called before each look at them, and may move them on. */
const generationOf = (log: readonly RecordedEvent[], projecting: Project, step: () => void) => {
  let upTo = 0;
  const rowsOf = (view: ViewName): readonly StoredRow[] =>
    foldChanges(log.slice(0, upTo).flatMap((event) => projecting(decodeEvent(event), event))).get(view) ?? [];
  const reader: GenerationReader = {
    checkpoint: () => {
      step();
      return Promise.resolve({ position: asPosition(upTo), epoch: "e1" });
    },
    rows: (view, { after, limit }) => {
      step();
      const sorted = rowsOf(view).toSorted((a, b) => compareKeys(view, a.key, b.key));
      return Promise.resolve(
        sorted.filter(({ key }) => after === undefined || compareKeys(view, key, after) > 0).slice(0, limit),
      );
    },
    rowsAt: (view, keys) => {
      step();
      const names = new Set(keys.map((key) => key.join("\0")));
      return Promise.resolve(rowsOf(view).filter(({ key }) => names.has(key.join("\0"))));
    },
    compare: compareKeys,
    figures: () => Promise.reject(new Error("nobody counts")),
    close: () => Promise.resolve(),
  };
  return {
    reader,
    position: () => upTo,
    bringTo: (position: number): void => {
      upTo = Math.min(log.length, Math.max(upTo, position));
    },
  };
};

/** Compares while the live one goes on by the steps, the last one again and again. */
const compared = async (
  log: readonly RecordedEvent[],
  begin: number,
  steps: readonly number[],
  built: Project,
  ofLive: Project = project,
) => {
  let looks = 0;
  const live = generationOf(log, ofLive, () => {
    live.bringTo(live.position() + (steps[Math.min(looks, steps.length - 1)] ?? 0));
    looks += 1;
  });
  const other = generationOf(log, built, () => undefined);
  live.bringTo(begin);
  other.bringTo(begin);
  const source = {
    readAll: (from: number, count: number) =>
      Promise.resolve(log.filter(({ position }) => position > from).slice(0, count)),
  };
  return compareAll({
    ...{ source, live: live.reader, built: other.reader, onRows: () => Promise.resolve() },
    bringTo: (position) => {
      other.bringTo(position);
      return Promise.resolve();
    },
  });
};

/** Whoever reads has read one message less. */
const defective: Project = (event, place) =>
  project(event, place).map((change) =>
    change.kind === "raise" && change.view === "members" && (change.fields.readUpTo ?? 0) > 0
      ? { ...change, fields: { ...change.fields, readUpTo: (change.fields.readUpTo ?? 0) - 1 } }
      : change,
  );

describe(`two generations that move (seed ${seed})`, () => {
  it("are the same, however fast the live one goes on between any two looks", async () => {
    const steps = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(logs, fc.double({ min: 0, max: 1, noNaN: true }), steps, async (log, share, moving) => {
        const found = await compared(log, Math.floor(share * log.length), moving, project);
        expect(found).toMatchObject({ different: [], notLookedAt: 0 });
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  const busy = logOf(
    Array.from({ length: 400 }, () => ({ do: "send", in: "g_one", user: "alice", reply: false }) as const),
  );

  it("are the same where a row changes faster than it can be looked at, for as long as it is looked at", async () => {
    expect(await compared(busy, 10, [1], project)).toMatchObject({ different: [], notLookedAt: 0 });
  });

  it("differ where one lacks what it holds by then, though the row goes on all the time", async () => {
    const lacking: Project = (event, place) =>
      project(event, place).filter(({ view, kind }) => view !== "conversations" || kind !== "raise");
    for (const [built, live] of [
      [lacking, project],
      [project, lacking],
    ] as const) {
      const { different } = await compared(busy, 10, [1], built, live);
      expect(different.map(({ view, key }) => [view, key])).toEqual([["conversations", ["g_one"]]]);
    }
  });

  it("differ for a defect of the build once the row stands still", async () => {
    const read = logOf([
      ...Array.from({ length: 5 }, () => ({ do: "send", in: "g_one", user: "alice", reply: false }) as const),
      { do: "receipt", in: "g_one", user: "bob", share: 1, read: true },
      { do: "send", in: "g_one", user: "alice", reply: false },
    ]);
    const { different } = await compared(read, read.length - 1, [1], defective);
    expect(different.map(({ view, key }) => [view, key])).toEqual([["members", ["g_one", "bob"]]]);
  });

  it("a row holds what a prefix of its history makes, and nothing that is not of it", () => {
    fc.assert(
      fc.property(logs, fc.nat(), (log, cut) => {
        const rowsOf = (events: readonly RecordedEvent[]) =>
          foldChanges(events.flatMap((event) => project(decodeEvent(event), event)));
        const [all, some] = [rowsOf(log), rowsOf(log.slice(0, cut % (log.length + 1)))];
        for (const view of viewNames)
          for (const row of all.get(view) ?? []) {
            const before = some.get(view)?.find(({ key }) => key.join() === row.key.join());
            expect(holds(row, before)).toBe(true);
            for (const [name, value] of Object.entries(row.raised))
              expect(holds(row, { ...row, raised: { ...row.raised, [name]: value + 1 } })).toBe(false);
            for (const [name, { value, version }] of Object.entries(row.registers))
              expect(
                holds(row, { ...row, registers: { ...row.registers, [name]: { value, version: version + 1 } } }),
              ).toBe(false);
          }
      }),
      withSeed({ numRuns: 50 }),
    );
  });
});
