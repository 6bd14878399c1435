import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import type { RecordedEvent } from "../../../src/domain/kernel/stream.js";
import type { SqliteViews } from "../../../src/infra/view-store/sqlite/views-file.js";
import { rowName } from "../../../src/projections/ports/stored-rows.js";
import { reconcileSubject, type FoundDrift } from "../../../src/projections/reconcile/reconcile.js";
import { project } from "../../../src/projections/registry.js";
import type { Value, ViewChange } from "../../../src/projections/view-change.js";
import { logs } from "../../kit/arbitraries.js";
import { damage, damages, everyRow, sourceOf, subjects, viewsOfLog } from "../../kit/damage.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";
import { temporaryDirectory } from "../../kit/sqlite-views.js";

/** All drifts of all subjects of a log. */
const reconcileAll = async (file: SqliteViews, log: readonly RecordedEvent[], rowsMax?: number) => {
  const found: FoundDrift[] = [];
  let rows = 0;
  for (const subject of subjects) {
    const { stored } = file;
    const deps = { source: sourceOf(log), stored, ...(rowsMax === undefined ? {} : { rowsMax }) };
    rows += (await reconcileSubject(deps, subject, (drift) => void found.push(drift))).rows;
  }
  return { found, rows };
};

const inFile = async <A>(log: readonly RecordedEvent[], body: (file: SqliteViews) => Promise<A>, other = project) => {
  const directory = temporaryDirectory();
  const file = viewsOfLog(join(directory.path, "views.db"), log, other);
  try {
    return await body(file);
  } finally {
    file.close();
    directory.remove();
  }
};

describe(`reconcile (seed ${seed})`, () => {
  it("finds exactly the damaged rows, and repair makes the views what the log says, in windows of any size", async () => {
    const seen = { missing: 0, extra: 0, different: 0 };
    await untilSeen(seen, 5, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, damages, fc.integer({ min: 2, max: 60 }), async (log, wished, rowsMax) => {
          await inFile(log, async (file) => {
            const right = await everyRow(file);
            expect(await reconcileAll(file, log, rowsMax)).toEqual({ found: [], rows: right.length });
            const damaged = await damage(file, wished);
            // Damage that changes nothing is none: what was null became null.
            const before = new Map(right.map((row) => [rowName(row), row]));
            const after = new Map((await everyRow(file)).map((row) => [rowName(row), row]));
            const wrong = [...damaged].filter((name) => !same(before.get(name), after.get(name)));
            const { found } = await reconcileAll(file, log, rowsMax);
            expect(found.map(rowName).sort()).toEqual(wrong.sort());
            for (const { kind, fields } of found) {
              seen[kind] += 1;
              if (kind !== "extra") expect(fields.every(({ right, proof }) => right === undefined || proof)).toBe(true);
            }
            file.replace(found, []);
            expect(await everyRow(file)).toEqual(right);
          });
        }),
        runs(25),
      ),
    );
  });

  it("names the events that prove the right values", async () => {
    await fc.assert(
      fc.asyncProperty(logs, damages, async (log, wished) => {
        await inFile(log, async (file) => {
          await damage(file, wished);
          const { found } = await reconcileAll(file, log);
          for (const { view, fields } of found)
            for (const { field, right, proof } of fields) {
              if (right === undefined) continue;
              const event = log.find(({ position }) => position === proof?.position);
              expect(proof).toEqual(
                event && { position: event.position, stream: event.stream, revision: event.revision, type: event.type },
              );
              // The event alone says so: projected by itself it asks for that value.
              const said = event === undefined ? [] : changesOf(event);
              expect(said.some((change) => change.view === view && valuesOf(change)[field] === right)).toBe(true);
            }
        });
      }),
      withSeed({ numRuns: 15 }),
    );
  });

  it("a defect of a projection is drift, with the event that the projection read wrongly", async () => {
    const defective: typeof project = (event, place) => (event.type === "MessageEdited" ? [] : project(event, place));
    const seen = { edited: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, async (log) => {
          const edits = log.filter(({ type }) => type === "MessageEdited");
          await inFile(
            log,
            async (file) => {
              const { found } = await reconcileAll(file, log);
              if (edits.length === 0) expect(found).toEqual([]);
              const proofs = found.flatMap(({ fields }) => fields.map(({ proof }) => proof?.type));
              if (found.some(({ view }) => view === "messages")) {
                seen.edited += 1;
                expect(proofs).toContain("MessageEdited");
              }
            },
            defective,
          );
        }),
        runs(30),
      ),
    );
  });

  it("a row that moves between two looks is compared with what it may be meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.nat(), fc.nat(), async (log, a, b) => {
        const [behind, ahead] = [a % log.length, b % log.length].sort((x, y) => x - y) as [number, number];
        // The store holds everything up to `ahead` and says that it is at `behind`; the log goes on beyond both.
        await inFile(log.slice(0, ahead + 1), async (file) => {
          const position = log[behind]?.position;
          const stored = {
            reached: () => Promise.resolve(position ?? fail()),
            read: async (asked: Parameters<SqliteViews["stored"]["read"]>[0]) => ({
              ...(await file.stored.read(asked)),
              exactlyAt: undefined,
            }),
          };
          for (const subject of subjects) {
            const drifts: FoundDrift[] = [];
            await reconcileSubject({ source: sourceOf(log), stored }, subject, (drift) => void drifts.push(drift));
            expect(drifts).toEqual([]);
          }
        });
      }),
      withSeed({ numRuns: 25 }),
    );
  });
});

const fail = (): never => {
  throw new Error("there is no such event");
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const changesOf = (recorded: RecordedEvent) => project(decodeEvent(recorded), recorded);
const valuesOf = (change: ViewChange): Readonly<Record<string, Value>> =>
  change.kind === "insert" ? change.facts : change.fields;
