import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import Database from "better-sqlite3";
import { viewsVersion } from "../../../projections/registry.js";
import { closeToOthers, openToRead } from "../../engines/sqlite-file.js";
import type { GenerationReader } from "../../../projections/ports/generations.js";
import { sqliteRows } from "./generation-rows.js";
import { checkpointIn, refuseOtherVersion } from "./stored-rows.js";
import { openSqliteViewsFile, pageBytes, type SqliteViews } from "./views-file.js";

/** Says in a file's head that it is a scratch copy, and by its last digit of which projections. */
const scratchId = 0x50_53_00_00;

/** There is something at the path that is not this scratch copy. */
export class ScratchRefused extends Error {
  constructor(path: string, reason: string) {
    super(`${path} ${reason}: name another file, or delete this one if nobody needs it`);
    this.name = "ScratchRefused";
  }
}

/**
 * Opens a scratch copy of views, or makes it: a file of SQLite's in the form of live views, which no server ever serves.
 * @param kind below 256: a copy of another kind is refused
 * @throws ScratchRefused for whatever else lies there, and for a name that live views could have
 */
export const openScratch = (path: string, kind: number): SqliteViews => {
  if (/^views(\.g\d+)?\.db$/.test(basename(path))) throw new ScratchRefused(path, "has a name of live views");
  if (existsSync(path)) refuseOthers(path, kind);
  else begin(path, kind);
  return openSqliteViewsFile(path);
};

const refuseOthers = (path: string, kind: number): void => {
  if (!isSqlite(path)) throw new ScratchRefused(path, "is there already and is no scratch copy of views");
  const db = openToRead(path);
  try {
    const id = db.pragma("application_id", { simple: true }) as number;
    if ((id & ~0xff) !== scratchId) throw new ScratchRefused(path, "is there already and is no scratch copy of views");
    if (id !== scratchId + kind) throw new ScratchRefused(path, "is a scratch copy of other projections");
    if (db.pragma("user_version", { simple: true }) !== viewsVersion)
      throw new ScratchRefused(path, "is a scratch copy of another version's views");
  } finally {
    db.close();
  }
};

const begin = (path: string, kind: number): void => {
  closeToOthers(path);
  const db = new Database(path);
  db.pragma(`page_size = ${pageBytes}`);
  db.pragma(`application_id = ${scratchId + kind}`);
  db.close();
};

/** A file of views, live or scratch, opened to read its rows. */
export type RowsFile = {
  readonly side: Pick<GenerationReader, "checkpoint" | "rows" | "rowsAt">;
  /** Undefined for one that is no scratch copy. */
  readonly scratchKind: number | undefined;
  readonly close: () => void;
};

/** @throws ViewsOfAnotherVersion */
export const openRowsFile = (path: string): RowsFile => {
  const db = openToRead(path);
  try {
    refuseOtherVersion(db, path);
    const id = db.pragma("application_id", { simple: true }) as number;
    const rows = sqliteRows(db);
    return {
      side: {
        checkpoint: () => Promise.resolve(checkpointIn(db)),
        rows: (...asked) => Promise.resolve(rows.rows(...asked)),
        rowsAt: (...asked) => Promise.resolve(rows.rowsAt(...asked)),
      },
      scratchKind: (id & ~0xff) === scratchId ? id & 0xff : undefined,
      close: () => {
        db.close();
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Whether a file begins as SQLite's do. */
export const isSqlite = (path: string): boolean => {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(16);
    readSync(file, head, 0, head.length, 0);
    return head.toString("latin1") === "SQLite format 3\0";
  } finally {
    closeSync(file);
  }
};
