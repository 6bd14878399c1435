import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { tilingOf } from "../../src/audit/archive/tiling.js";
import { ArchiveRefused, recordAccessIn, recordArchiveIn, type ToldRun } from "../../src/commands/access.js";
import { decodeEvent } from "../../src/domain/catalogue.js";
import type { ArchiveExported } from "../../src/domain/access.events.js";
import type { ByOperator } from "../../src/domain/kernel/by.js";
import { firstRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { openLogKit } from "../kit/log.js";
import { withSeed } from "../kit/seed.js";

const by: ByOperator = { kind: "operator", userId: "root" };
const ids = { uuid: randomUUID };
const counts = { events: 0, conversations: 0, records: 0, messages: 0, erased: 0, damaged: 0, bytes: 0 };
const runs: fc.Arbitrary<ToldRun> = fc
  .record({
    format: fc.constantFrom("csv", "json"),
    scope: fc.constantFrom({}, { user: "alice" }),
    epoch: fc.constantFrom("one", "two"),
    after: fc.nat(9),
    length: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ length, ...run }) => ({
    ...{ ...counts, reason: "daily", root: "", sha256: "", file: "f", since: -1 },
    ...{ ...run, upTo: run.after + length },
  }));

it("of runs at once each that is told overlaps none that was, and each that is not does; accesses are all told", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(runs, { minLength: 2, maxLength: 12 }), async (all) => {
      const kit = await openLogKit();
      try {
        const record = recordArchiveIn(kit.log, Date.now, ids);
        const access = recordAccessIn(kit.log, Date.now, ids);
        const told = await Promise.all(
          all.map(async (run) => {
            await access({ kind: "audit.export", reason: "daily", scope: {} }, by);
            return record(run, by).catch((error: unknown) => error);
          }),
        );
        const stored = (await kit.log.readStream(streamOf.access, firstRevision, 100)).map(decodeEvent);
        expect(stored.filter(({ type }) => type === "AccessRecorded")).toHaveLength(all.length);
        const archived = stored.filter((event): event is ArchiveExported => event.type === "ArchiveExported");
        for (const { overlaps, repeated } of tilingOf(archived)) expect([overlaps, repeated]).toEqual([[], []]);
        const refused = all.filter((_, index) => told[index] instanceof ArchiveRefused);
        expect(archived).toHaveLength(all.length - refused.length);
        for (const run of refused)
          expect(
            tilingOf([...archived, { ...run, at: 0 }]).some((s) => s.overlaps.length + s.repeated.length > 0),
          ).toBe(true);
      } finally {
        await kit.dispose();
      }
    }),
    withSeed({ numRuns: 15 }),
  );
});

it("a run that is of the same range as one that it knew of is told: somebody wants the file again", async () => {
  const kit = await openLogKit();
  const record = recordArchiveIn(kit.log, Date.now, ids);
  const [run] = fc.sample(runs, { numRuns: 1, seed: 1 });
  if (run === undefined) throw new Error("no run");
  await record(run, by);
  await expect(record(run, by)).rejects.toThrow("at work at the same time");
  expect(await record({ ...run, since: 0 }, by)).toBeGreaterThan(0);
  await kit.dispose();
});
