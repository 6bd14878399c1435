import Database from "better-sqlite3";
import { StoreUnavailable } from "../../../projections/ports/away.js";
import type { BoundRows } from "../../../projections/ports/generations.js";
import type { StoredRows } from "../../../projections/ports/stored-rows.js";
import type { Checkpoint, ViewReads } from "../../../projections/ports/view-store.js";
import { views, viewsVersion } from "../../../projections/registry.js";
import { foldChanges, type ViewChange, type ViewName } from "../../../projections/view-change.js";
import { writeBound } from "./bound-rows.js";
import { binderOf, schema, upsertOf } from "./schema.js";
import type { Synchronous } from "./rows.js";
import { sqliteReads } from "./reads.js";
import { sqliteRows, type SqliteRows } from "./generation-rows.js";
import { checkpointIn, replacingRows, storedRowsOf, type ReplaceRows } from "./stored-rows.js";
import { closeToOthers } from "../../engines/sqlite-file.js";
import { keepWalSmall } from "../../engines/wal.js";

/** The views in one SQLite file, synchronous: the core of the worker. One connection, which is the only writer. */
export type SqliteViews = {
  /** Folds the changes and writes them with the checkpoint, if there is one, in one transaction. */
  readonly apply: (changes: readonly ViewChange[], checkpoint?: Checkpoint) => void;
  /** The same of rows that are folded and bound already (`bound-rows.ts`). */
  readonly applyBound: (rows: BoundRows, checkpoint: Checkpoint) => void;
  readonly checkpoint: () => Checkpoint | undefined;
  readonly reads: Synchronous<ViewReads>;
  /** As they are stored. */
  readonly rows: SqliteRows;
  /** Rows as they lie there. */
  readonly stored: StoredRows;
  /** Rows in the place of those stored, and then changes joined to them, in one transaction. The checkpoint stays. */
  readonly replace: ReplaceRows;
  readonly close: () => void;
};

/** The file cannot be used as it is. Views hold nothing of their own, so the way out is to delete it. */
export class ViewsUnusable extends Error {
  readonly code = "VIEWS_UNUSABLE";

  /** `unless`: what to make sure of before anything is deleted, up to the word “delete”. */
  constructor(path: string, reason: string, unless = "Delete") {
    super(
      `${path}: ${reason}. ${unless} ${path}, ${path}-wal and ${path}-shm: the views are built again from the log.`,
    );
    this.name = "ViewsUnusable";
  }
}

/**
 * Opens the file, mode 600, and makes the schema if it is new. Older views are to be discarded before (`older-views.ts`).
 * @throws ViewsUnusable if another version of Parley made it, or it is damaged
 * @throws StoreUnavailable while it cannot be opened, for a reason that may pass
 */
export const openSqliteViewsFile = (path: string): SqliteViews => {
  closeToOthers(path);
  const db = new Database(path);
  try {
    tune(db);
    keepWalSmall(db, path);
    prepareSchema(db, path);
    return viewsOf(db);
  } catch (error) {
    db.close();
    throw error instanceof Database.SqliteError ? cannotOpen(path, error) : error;
  }
};

/** A lock, a full disk or a missing right is of its surroundings: to delete the file would mend none of them. */
export const cannotOpen = (path: string, error: InstanceType<typeof Database.SqliteError>): Error =>
  /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)
    ? new ViewsUnusable(path, error.message)
    : new StoreUnavailable(`${path} cannot be opened now: ${error.message}`, { cause: error });

/** Reads are of a known form: what fails is the file, and that may pass. @throws StoreUnavailable for SQLite's errors */
export const answering = <A>(read: () => A): A => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    throw new StoreUnavailable(`the views cannot be read: ${error.message}`, { cause: error });
  }
};

/** A batch that meets a lock is tried again soon; reads of this thread wait behind it no longer than this. */
export const busyMsMax = 500;

export const pageBytes = 8_192;

const tune = (db: Database.Database): void => {
  db.pragma(`page_size = ${pageBytes}`);
  db.pragma("journal_mode = WAL");
  // The log is durable and the checkpoint moves with the rows, so a lost commit is projected again. OFF would go
  // further: after a power cut it may leave a damaged file, and views are allowed to lag but never to be wrong.
  db.pragma("synchronous = NORMAL");
  // 24 MiB: the heads of some hundred active conversations and the tails of the indexes. With 2,000 conversations that are
  // active at once 64 MiB would save 2 % of an event's CPU, and as much memory as is saved here.
  db.pragma("cache_size = -24576");
  // 32 MiB between checkpoints of the WAL: each costs two fsyncs on this thread.
  db.pragma("wal_autocheckpoint = 4096");
  db.pragma("temp_store = MEMORY");
  db.pragma(`busy_timeout = ${busyMsMax}`);
};

const prepareSchema = (db: Database.Database, path: string): void => {
  const found = db
    .prepare<[], string>("select sql from sqlite_schema where sql is not null order by rowid")
    .pluck()
    .all();
  if (found.length === 0) {
    db.exec(["begin", ...schema, `pragma user_version = ${viewsVersion}`, "commit"].join(";"));
    return;
  }
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > viewsVersion)
    throw new ViewsUnusable(
      path,
      `it was written by a newer Parley (its format is ${version}, this one reads ${viewsVersion})`,
      "Upgrade Parley. If you mean to go on with this version, delete",
    );
  if (version < viewsVersion || found.join(";").toLowerCase() !== schema.join(";").toLowerCase())
    throw new ViewsUnusable(path, "it was made by another version of Parley, or by something else");
};

const viewsOf = (db: Database.Database): SqliteViews => {
  const writers = new Map(
    (Object.keys(views) as ViewName[]).map((view) => [
      view,
      { upsert: db.prepare(upsertOf(view)), bind: binderOf(view) },
    ]),
  );
  const moveCheckpoint = db.prepare<[number, string]>(
    "insert into checkpoint values (1, ?, ?) on conflict do update set position = excluded.position, epoch = excluded.epoch",
  );

  const writerOf = (view: ViewName) => {
    const writer = writers.get(view);
    if (writer === undefined) throw new Error(`no view ${view}`);
    return writer;
  };

  const write = db.transaction((changes: readonly ViewChange[], checkpoint?: Checkpoint) => {
    for (const [view, rows] of foldChanges(changes)) {
      const { upsert, bind } = writerOf(view);
      for (const row of rows) upsert.run(bind(row));
    }
    if (checkpoint !== undefined) moveCheckpoint.run(checkpoint.position, checkpoint.epoch);
  });
  const writeReady = db.transaction((rows: BoundRows, { position, epoch }: Checkpoint) => {
    writeBound(rows, (view) => writerOf(view).upsert);
    moveCheckpoint.run(position, epoch);
  });

  return {
    apply: (changes, checkpoint) => {
      write.immediate(changes, checkpoint);
    },
    applyBound: (rows, checkpoint) => {
      writeReady.immediate(rows, checkpoint);
    },
    checkpoint: () => checkpointIn(db),
    reads: sqliteReads(db),
    rows: sqliteRows(db),
    stored: storedRowsOf(db),
    replace: replacingRows(db),
    close: () => {
      db.close();
    },
  };
};
