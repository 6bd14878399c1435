/** Reconcile and repair of views in MongoDB, beside projectors that write them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { asPosition, type RecordedEvent } from "../../../../src/domain/kernel/stream.js";
import { repairingIn } from "../../../../src/infra/view-store/mongodb/repair.js";
import { replaceRow, storedRowsIn } from "../../../../src/infra/view-store/mongodb/stored-rows.js";
import { openMongoViews } from "../../../../src/infra/view-store/mongodb/view-store.js";
import { reconcileSubject, type FoundDrift } from "../../../../src/projections/reconcile/reconcile.js";
import { changesSince } from "../../../../src/projections/reconcile/repair.js";
import { project } from "../../../../src/projections/registry.js";
import { logs } from "../../../kit/arbitraries.js";
import { damage, damages, everyRow, sourceOf, subjects, type Damageable } from "../../../kit/damage.js";
import { engine } from "../../../kit/engines.js";
import { seed, withSeed } from "../../../kit/seed.js";
import { withCoreFile } from "../../../kit/sqlite-views.js";
import { openTestDatabase } from "./views-kit.js";

const url = engine("PARLEY_MONGODB_URL");

describe.skipIf(url === undefined)(`reconcile in MongoDB (seed ${seed})`, () => {
  it("finds exactly the damaged rows, and repair loses nothing that a projector writes at any of its steps", async () => {
    await fc.assert(
      fc.asyncProperty(logs, damages, fc.nat(), fc.nat({ max: 3 }), async (log, wished, cut, share) => {
        const database = await openTestDatabase(url ?? "");
        try {
          const views = await openMongoViews({ db: database.db, epoch: "e" });
          const seen = 1 + (cut % log.length);
          let next = 0;
          /** The projector: what comes meanwhile is in the log, and it may be written or not. */
          const projectTo = async (end: number): Promise<void> => {
            const events = log.slice(next, end);
            next = Math.max(next, end);
            if (events.length > 0) await views.store.apply(changesOf(events), at(events));
          };
          await projectTo(seen);
          const stored = storedRowsIn(database.db, views.checkpoints);
          const store: Damageable = {
            stored,
            replace: async (replacements) => {
              for (const each of replacements) await replaceRow(database.db, each);
            },
          };
          const right = await everyRow(store);
          await damage(store, wished);
          const wrong = differing(right, await everyRow(store));
          const source = sourceOf(log.slice(0, seen));
          const found: FoundDrift[] = [];
          for (const subject of subjects)
            await reconcileSubject({ source, stored }, subject, (drift) => void found.push(drift));
          expect(found.map(({ view, key }) => `${view} ${key.join(" ")}`).sort()).toEqual(wrong);

          const steps = (log.length - seen) / 3;
          const upTo = (step: number) => seen + Math.ceil(step * steps);
          if (share > 0) await projectTo(upTo(share - 1));
          const repair = repairingIn(database.db, async (from, names) => {
            // Between the replacement and the look at the log, and after it.
            if (share > 1) await projectTo(upTo(share));
            return changesSince(sourceOf(log.slice(0, Math.max(next, seen))), from, names);
          });
          let waiting = found;
          for (let round = 0; waiting.length > 0 && round < 5; round += 1) {
            for (const drift of waiting) await repair(drift.at, [drift]);
            waiting = [];
            const now = sourceOf(log.slice(0, Math.max(next, seen)));
            for (const subject of subjects)
              await reconcileSubject({ source: now, stored }, subject, (drift) => void waiting.push(drift));
          }
          await projectTo(log.length);
          const rebuilt = await withCoreFile(async (file) => {
            file.apply(changesOf(log), { ...at(log), epoch: "e" });
            return everyRow(file);
          });
          expect(await everyRow(store)).toEqual(rebuilt);
          await views.close();
        } finally {
          await database.drop();
        }
      }),
      withSeed({ numRuns: 12 }),
    );
  });
});

const changesOf = (events: readonly RecordedEvent[]) =>
  events.flatMap((recorded) => project(decodeEvent(recorded), recorded));

const at = (events: readonly RecordedEvent[]) => ({ position: events.at(-1)?.position ?? asPosition(0), epoch: "e" });

const differing = (
  before: Awaited<ReturnType<typeof everyRow>>,
  after: Awaited<ReturnType<typeof everyRow>>,
): readonly string[] => {
  const texts = (rows: typeof before) =>
    new Map(rows.map((row) => [`${row.view} ${row.key.join(" ")}`, JSON.stringify(sorted(row))]));
  const [was, is] = [texts(before), texts(after)];
  return [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name)).sort();
};

const sorted = (value: unknown): unknown =>
  typeof value !== "object" || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(
        Object.entries(value)
          .map(([name, inner]) => [name, sorted(inner)] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      );
