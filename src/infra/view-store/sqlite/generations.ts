import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noPosition } from "../../../domain/kernel/stream.js";
import {
  GenerationRefused,
  type Generation,
  type GenerationReader,
  type Generations,
  type GenerationWriter,
} from "../../../projections/ports/generations.js";
import type { Checkpoint } from "../../../projections/ports/view-store.js";
import { viewsVersion } from "../../../projections/registry.js";
import { isFileLocked, takeFileLock } from "../../engines/file-lock.js";
import { openToRead } from "../../engines/sqlite-file.js";
import {
  generationPath,
  readGenerationList,
  writeGenerationList,
  type GenerationList,
  type KeptGeneration,
} from "./generation-files.js";
import { discardViews } from "./older-views.js";
import { compareKeys, sqliteRows, type SqliteRows } from "./generation-rows.js";
import { openSqliteViewsFile } from "./views-file.js";

/** How long a read waits for a lock that a writer holds for a moment. */
const busyMsMax = 5_000;

/**
 * The generations of a data directory, each in a file of its own. Read beside a running server; what changes the list is
 * done under the claim, but for `switchTo`, which a running server does for itself (`switchable-views.ts`).
 */
export const sqliteGenerations = (dir: string): Generations => {
  const lockPath = join(dir, "rebuild.lock");
  const cancelPath = join(dir, "rebuild.cancel");
  const change = async (body: (list: GenerationList) => GenerationList): Promise<void> =>
    writeGenerationList(dir, body(readGenerationList(dir)));
  const found = (number: number): Generation => {
    const generation = allOf(dir).find((one) => one.number === number);
    if (generation === undefined) throw new GenerationRefused("none", `There is no generation ${number} in ${dir}`);
    return generation;
  };
  const besides = (number: number, body: (kept: KeptGeneration) => KeptGeneration) => (list: GenerationList) => ({
    ...list,
    beside: list.beside.map((kept) => (kept.number === number ? body(kept) : kept)),
  });

  return {
    list: () => attempt(() => allOf(dir)),
    create: async ({ names }) => {
      const list = readGenerationList(dir);
      const unfinished = list.beside.find(({ state }) => state !== "old");
      if (unfinished !== undefined)
        throw new GenerationRefused("unfinished", `Generation ${unfinished.number} is ${unfinished.state}`);
      const live = found(list.live);
      const number = Math.max(list.live, ...list.beside.map((kept) => kept.number)) + 1;
      const path = generationPath(dir, number);
      // What a kill between the two left, or an older version: never part of a list.
      discardViews(path);
      openSqliteViewsFile(path).close();
      const forkedAt = live.checkpoint?.position ?? noPosition;
      await writeGenerationList(dir, {
        ...list,
        beside: [...list.beside, { number, state: "building", names, forkedAt }],
      });
      return found(number);
    },
    read: (number) => attempt(() => readerOf(generationPath(dir, found(number).number))),
    write: (number) =>
      attempt(() => {
        if (found(number).state === "live")
          throw new GenerationRefused("live", `Generation ${number} is live: the server alone writes it`);
        refuseOtherForm(generationPath(dir, number), number);
        return writerOf(generationPath(dir, number));
      }),
    markReady: async (number) => {
      found(number);
      await change(besides(number, (kept) => ({ ...kept, state: "ready" })));
    },
    switchTo: async (number) => {
      found(number);
      await change((list) => switched(list, number));
    },
    drop: async (number) => {
      // Also when a list names it no more: a deletion that was cut short is finished.
      if (readGenerationList(dir).live === number)
        throw new GenerationRefused("live", `Generation ${number} is live: readers are served from it`);
      // The list first: a generation that it names is there.
      await change((list) => ({ ...list, beside: list.beside.filter((kept) => kept.number !== number) }));
      discardViews(generationPath(dir, number));
    },
    claim: () =>
      attempt(() => {
        const lock = takeFileLock(lockPath);
        if (lock === undefined) throw new GenerationRefused("claimed", `Another rebuild is under way in ${dir}`);
        // Of somebody who came too late for the one before.
        rmSync(cancelPath, { force: true });
        return {
          isCancelled: () => Promise.resolve(existsSync(cancelPath)),
          release: () =>
            attempt(() => {
              lock.release();
              rmSync(cancelPath, { force: true });
            }),
        };
      }),
    cancel: () =>
      attempt(() => {
        if (!isFileLocked(lockPath)) return false;
        writeFileSync(cancelPath, "", { mode: 0o600 });
        return true;
      }),
    close: () => Promise.resolve(),
  };
};

/** The list after the pointer has moved. */
export const switched = (list: GenerationList, to: number): GenerationList => {
  if (list.live === to) return list;
  const old: KeptGeneration = { number: list.live, state: "old", names: [], forkedAt: noPosition };
  const beside = [...list.beside.filter(({ number }) => number !== to), old];
  return { live: to, beside: beside.toSorted((a, b) => a.number - b.number) };
};

const allOf = (dir: string): readonly Generation[] => {
  const { live, beside } = readGenerationList(dir);
  const first = { number: live, state: "live", names: [], forkedAt: noPosition } as const;
  return [first, ...beside]
    .filter(({ number }) => existsSync(generationPath(dir, number)))
    .toSorted((a, b) => a.number - b.number)
    .map((kept) => ({ ...kept, checkpoint: checkpointIn(generationPath(dir, kept.number)) }));
};

const checkpointIn = (path: string): Checkpoint | undefined => {
  const db = openToRead(path, busyMsMax);
  try {
    return db.prepare<[], Checkpoint>("select position, epoch from checkpoint").get();
  } finally {
    db.close();
  }
};

/** What another version made is neither read nor written by this one, nor deleted for that. */
const refuseOtherForm = (path: string, number: number): void => {
  const db = openToRead(path, busyMsMax);
  try {
    const version = db.pragma("user_version", { simple: true }) as number;
    if (version === viewsVersion) return;
    throw new GenerationRefused(
      "version",
      `Generation ${number} has views of version ${version}, and this Parley makes and reads version ${viewsVersion}: go back to the Parley that made it, or delete it (parley projections drop ${number})`,
    );
  } finally {
    db.close();
  }
};

const readerOf = (path: string): GenerationReader => {
  const db = openToRead(path, busyMsMax);
  const checkpoint = db.prepare<[], Checkpoint>("select position, epoch from checkpoint");
  return reading(
    sqliteRows(db),
    () => checkpoint.get(),
    () => {
      db.close();
    },
  );
};

const writerOf = (path: string): GenerationWriter => {
  const views = openSqliteViewsFile(path);
  return {
    ...reading(views.rows, views.checkpoint, views.close),
    apply: (changes, checkpoint) =>
      attempt(() => {
        views.apply(changes, checkpoint);
      }),
    applyBound: (rows, checkpoint) =>
      attempt(() => {
        views.applyBound(rows, checkpoint);
      }),
    settled: () => Promise.resolve(),
  };
};

const reading = (
  stored: SqliteRows,
  checkpoint: () => Checkpoint | undefined,
  close: () => void,
): GenerationReader => ({
  checkpoint: () => attempt(checkpoint),
  rows: (view, page) => attempt(() => stored.rows(view, page)),
  rowsAt: (view, keys) => attempt(() => stored.rowsAt(view, keys)),
  compare: compareKeys,
  figures: (view) => attempt(() => stored.figures(view)),
  close: () => attempt(close),
});

/** What fails rejects, as the port has it, rather than throws. */
const attempt = <A>(body: () => A): Promise<A> =>
  new Promise((resolve) => {
    resolve(body());
  });
