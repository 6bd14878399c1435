import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { asPosition, type RecordedEvent } from "../../../../src/domain/kernel/stream.js";
import { boundRows } from "../../../../src/infra/view-store/sqlite/bound-rows.js";
import { generationPath } from "../../../../src/infra/view-store/sqlite/generation-files.js";
import { sqliteGenerations } from "../../../../src/infra/view-store/sqlite/generations.js";
import { openSqliteViewsFile, type SqliteViews } from "../../../../src/infra/view-store/sqlite/views-file.js";
import { rowsNames, type RowsName } from "../../../../src/projections/named.js";
import type { Generations } from "../../../../src/projections/ports/generations.js";
import { projectPart, type FillThreads } from "../../../../src/projections/rebuild/parts.js";
import { rebuild, RebuildCancelled, type RebuildOptions } from "../../../../src/projections/rebuild/rebuild.js";
import { switchBack } from "../../../../src/projections/rebuild/switch-back.js";
import { project, views } from "../../../../src/projections/registry.js";
import type { Project } from "../../../../src/projections/runner.js";
import { foldChanges, type ViewName } from "../../../../src/projections/view-change.js";
import { digestOfRow } from "../../../../src/projections/views/stored-row.js";
import { logOf, logs } from "../../../kit/arbitraries.js";
import { seed, withSeed } from "../../../kit/seed.js";
import { temporaryDirectory } from "../../../kit/sqlite-views.js";

const epoch = "e1";
const viewNames = Object.keys(views) as readonly ViewName[];

const sourceOf = (log: readonly RecordedEvent[]): RebuildOptions["source"] => ({
  readAll: (from, count) => Promise.resolve(log.filter(({ position }) => position > from).slice(0, count)),
  readStream: (stream, from, count) =>
    Promise.resolve(log.filter((event) => event.stream === stream && event.revision >= from).slice(0, count)),
});

const changesOf = (log: readonly RecordedEvent[], projecting: Project = project) =>
  log.flatMap((recorded) => projecting(decodeEvent(recorded), recorded));

/** Every row that the log makes, by its digest. */
const folded = (log: readonly RecordedEvent[]): readonly string[] =>
  [...foldChanges(changesOf(log))].flatMap(([view, rows]) => rows.map((row) => named(view, row))).sort();
const named = (view: ViewName, row: Parameters<typeof digestOfRow>[1]): string =>
  `${view} ${row.key.join(" ")} ${digestOfRow(view, row)}`;

const rowsIn = async (generations: Generations, number: number): Promise<readonly string[]> => {
  const reader = await generations.read(number);
  const rows: string[] = [];
  for (const view of viewNames)
    for (const row of await reader.rows(view, { limit: 10_000 })) rows.push(named(view, row));
  await reader.close();
  return rows.sort();
};

/** What the worker does (profiles/rebuild.worker.ts), in this thread: the acceptance suite starts real ones. */
const threadsOn = (log: readonly RecordedEvent[]): FillThreads => ({
  project: async (range, plan) => {
    const part = await projectPart(sourceOf(log), range, plan, { eventsMax: 5 });
    return { ...part, changes: { bound: boundRows(part.changes) } };
  },
  close: () => Promise.resolve(),
});

/** A defect: whoever reads has read one message less. */
const defective: Project = (event, place) =>
  project(event, place).map((change) =>
    change.kind === "raise" && change.view === "members" && (change.fields.readUpTo ?? 0) > 0
      ? { ...change, fields: { ...change.fields, readUpTo: (change.fields.readUpTo ?? 0) - 1 } }
      : change,
  );

describe(`a rebuild on SQLite (seed ${seed})`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let live: SqliteViews;
  let generations: Generations;
  beforeEach(() => {
    directory = temporaryDirectory();
    live = openSqliteViewsFile(join(directory.path, "views.db"));
    generations = sqliteGenerations(directory.path);
  });
  afterEach(() => {
    live.close();
    directory.remove();
  });
  /** As the runner of a server would: what the log has between the two positions. */
  const follow = (log: readonly RecordedEvent[], upTo: number, projecting?: Project): void => {
    const from = live.checkpoint()?.position ?? 0;
    if (upTo <= from) return;
    live.apply(changesOf(log.slice(from, upTo), projecting), { position: asPosition(upTo), epoch });
  };
  const optionsOf = (log: readonly RecordedEvent[], more: Partial<RebuildOptions> = {}): RebuildOptions => ({
    ...{ source: sourceOf(log), generations, names: rowsNames, batchEventsMax: 7 },
    switchTo: generations.switchTo,
    ...more,
  });

  it("what it builds equals what was kept up event by event, however often it is killed, whatever comes meanwhile and with however many threads", async () => {
    const kills = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 3 });
    const names = fc.subarray([...rowsNames], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(
        logs,
        names,
        kills,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 4 }),
        async (log, of, dying, share, threads) => {
          follow(log, Math.max(1, Math.floor(log.length * share)));
          for (const steps of [...dying, Infinity]) {
            let left = steps;
            const onProgress = (): void => {
              follow(log, Math.min(log.length, (live.checkpoint()?.position ?? 0) + 3));
              if ((left -= 1) < 0) throw new Error("killed");
            };
            // Of another number each time, as with another machine.
            const parallel = steps === Infinity ? threads : 1 + ((threads + steps) % 4);
            const options = { names: of, onProgress, parallel, startThreads: () => threadsOn(log) };
            const report = await rebuild(optionsOf(log, options)).catch((error: unknown) => {
              if ((error as Error).message !== "killed") throw error;
            });
            if (report === undefined) continue;
            expect(report).toMatchObject({ switched: true, different: 0, notLookedAt: 0, names: of });
            expect(report.position).toBe(live.checkpoint()?.position);
            expect(await rowsIn(generations, report.generation)).toEqual(folded(log.slice(0, report.position)));
            await generations.switchTo(1);
            await generations.drop(report.generation);
            break;
          }
          for (const { number } of (await generations.list()).slice(1)) await generations.drop(number);
          live.close();
          for (const suffix of ["", "-wal", "-shm"]) rmSync(join(directory.path, `views.db${suffix}`), { force: true });
          live = openSqliteViewsFile(join(directory.path, "views.db"));
        },
      ),
      withSeed({ numRuns: 25 }),
    );
  });

  it("a defect in the live projection is found with the events that prove the right value, and readers do not go over", async () => {
    const log = logOf([
      ...Array.from({ length: 5 }, () => ({ do: "send", in: "g_one", user: "alice", reply: false }) as const),
      { do: "receipt", in: "g_one", user: "bob", share: 1, read: true },
    ]);
    follow(log, log.length, defective);
    const report = await rebuild(optionsOf(log));
    expect(report).toMatchObject({ switched: false, different: 1, differentByView: { members: 1 } });
    const [sample] = report.samples;
    expect(sample).toMatchObject({ view: "members", key: ["g_one", "bob"], right: "built" });
    expect(sample?.live?.raised.readUpTo).toBe(4);
    expect(sample?.built?.raised.readUpTo).toBe(5);
    expect(sample?.events.map(({ type }) => type)).toEqual(["MemberJoined", "ReceiptsAdvanced"]);
    const receipt = log.find(({ type }) => type === "ReceiptsAdvanced");
    expect(sample?.events.at(-1)).toEqual({
      ...{ stream: receipt?.stream, revision: receipt?.revision, position: receipt?.position },
      type: "ReceiptsAdvanced",
    });
    expect((await generations.list()).map(({ state }) => state)).toEqual(["live", "ready"]);
    // Said to be meant, it goes on from where it was.
    expect(await rebuild(optionsOf(log, { acceptDiff: true }))).toMatchObject({
      switched: true,
      events: 0,
      different: 1,
    });
    expect((await generations.list()).map(({ state }) => state)).toEqual(["old", "live"]);
  });

  it("a defect in the build that rebuilds is found as well: the live row is what the log says", async () => {
    const log = logOf([
      { do: "send", in: "g_one", user: "alice", reply: false },
      { do: "receipt", in: "g_one", user: "bob", share: 1, read: true },
    ]);
    follow(log, log.length);
    const report = await rebuild(optionsOf(log, { project: defective }));
    expect(report.switched).toBe(false);
    expect(report.samples.map(({ right }) => right)).toEqual(["live"]);
  });

  it("readers go back to a generation that was kept only when it holds what the live one does, however often that is killed", async () => {
    const shares = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.array(fc.integer({ min: 1, max: 4 })));
    await fc.assert(
      fc.asyncProperty(logs, shares, async (log, [share, dying]) => {
        const own = temporaryDirectory();
        const kept = sqliteGenerations(own.path);
        const write = (number: number, from: number, upTo: number): void => {
          const file = openSqliteViewsFile(generationPath(own.path, number));
          file.apply(changesOf(log.slice(from, upTo)), { position: asPosition(upTo), epoch });
          file.close();
        };
        const before = Math.max(1, Math.floor(log.length * share));
        write(1, 0, before);
        await rebuild(optionsOf(log, { generations: kept, switchTo: kept.switchTo }));
        // As the runner of the one that is live now.
        write(2, before, log.length);
        for (const steps of [...dying, Infinity]) {
          let left = steps;
          const onProgress = (): void => {
            if ((left -= 1) < 0) throw new Error("killed");
          };
          const source = sourceOf(log);
          const options = { source, generations: kept, switchTo: kept.switchTo, onProgress, batchEventsMax: 3 };
          const switched = await switchBack(options).catch((error: unknown) => {
            if ((error as Error).message !== "killed") throw error;
          });
          if (switched === undefined) {
            expect((await kept.list()).map(({ state }) => state)).toEqual(["old", "live"]);
            continue;
          }
          expect(switched).toMatchObject({ from: 2, to: 1, position: log.length });
          expect((await kept.list()).map(({ state }) => state)).toEqual(["live", "old"]);
          expect(await rowsIn(kept, 1)).toEqual(folded(log));
          break;
        }
        own.remove();
      }),
      withSeed({ numRuns: 10 }),
    );
  });

  it("what readers cannot go back to is refused by name, and nothing changes", async () => {
    const log = logOf([{ do: "send", in: "g_one", user: "alice", reply: false }]);
    follow(log, log.length);
    const back = (number?: number) =>
      switchBack({
        ...{ source: sourceOf(log), generations, switchTo: generations.switchTo },
        ...(number === undefined ? {} : { number }),
      });
    await expect(back()).rejects.toMatchObject({ code: "none" });
    expect(await back(1)).toMatchObject({ from: 1, to: 1, events: 0 });
    await rebuild(optionsOf(log));
    await expect(rebuild(optionsOf(log, { project: () => [] }))).resolves.toMatchObject({ switched: false });
    await expect(back(3)).rejects.toMatchObject({ code: "unfinished" });
    await expect(back(7)).rejects.toMatchObject({ code: "none" });
    await rebuild(optionsOf(log, { acceptDiff: true }));
    await expect(back()).rejects.toMatchObject({ code: "unclear" });
    const claim = await generations.claim();
    await expect(back(2)).rejects.toMatchObject({ code: "claimed" });
    await claim.release();
    const old = new Database(generationPath(directory.path, 2));
    old.pragma("user_version = 1");
    await expect(back(2)).rejects.toMatchObject({ code: "version" });
    old.close();
    live.apply([], { position: asPosition(log.length + 1), epoch });
    const foreign = new Database(generationPath(directory.path, 1));
    foreign.prepare("update checkpoint set epoch = ?").run("e0");
    foreign.close();
    await expect(back(1)).rejects.toMatchObject({ code: "epoch" });
    expect((await generations.list()).map(({ state }) => state)).toEqual(["old", "old", "live"]);
  });

  it("one that is cancelled leaves nothing; one that is unfinished is gone on with under its own names only", async () => {
    const log = logOf(
      Array.from({ length: 40 }, () => ({ do: "send", in: "g_one", user: "alice", reply: false }) as const),
    );
    follow(log, log.length);
    const killed = optionsOf(log, {
      onProgress: (phase, done) => {
        if (phase === "fill" && done > 20) throw new Error("killed");
      },
    });
    await expect(rebuild(killed)).rejects.toThrow("killed");
    const other: readonly RowsName[] = ["users"];
    await expect(rebuild(optionsOf(log, { names: other }))).rejects.toMatchObject({ code: "unfinished" });
    let second: Promise<unknown> | undefined;
    const cancelled = optionsOf(log, {
      onProgress: () => {
        second ??= expect(rebuild(optionsOf(log))).rejects.toMatchObject({ code: "claimed" });
        void generations.cancel();
      },
    });
    await expect(rebuild(cancelled)).rejects.toBeInstanceOf(RebuildCancelled);
    await second;
    expect((await generations.list()).map(({ number }) => number)).toEqual([1]);
    await expect(rebuild(killed)).rejects.toThrow("killed");
    const scratch = await rebuild(optionsOf(log, { names: other, fromScratch: true }));
    expect(scratch).toMatchObject({ names: ["users"], resumedAt: null, switched: true });
  });
});
