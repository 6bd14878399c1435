/** The log's file: how it is opened and what is in it. */
import Database from "better-sqlite3";
import { closeToOthers, NewerFormat, openToRead } from "../../engines/sqlite-file.js";
import { limitWal } from "../../engines/wal.js";
import { noPosition, type Position } from "../../../domain/kernel/stream.js";

export type Db = Database.Database;

/** Of the file, in `PRAGMA user_version`. A log of a newer format is refused, never guessed at. */
const formatVersion = 1;

/**
 * An event is written once, into `events`, whose key grows: an append touches the last page and nothing else. The two
 * indexes would touch one page per stream and commit, which is most of what a commit costs; so they lag by some
 * thousand events that the process holds in memory (tail.ts) and are caught up in sorted batches. `indexed_to` says how
 * far they are.
 *
 * (stream, revision) is unique though its index lags: a revision follows from every event before it, and the dense
 * `position` refuses an event of a writer that has not seen the one before. The index refuses once more when it is caught up.
 */
const schema = `
  create table streams (id integer primary key, name text not null unique) strict;
  create table events (
    position integer primary key,
    stream integer not null,
    revision integer not null,
    appended_any integer not null,
    id text not null,
    type text not null,
    data text not null,
    meta text not null
  ) strict;
  create table stream_index (
    stream integer not null, revision integer not null, position integer not null,
    primary key (stream, revision)
  ) strict, without rowid;
  create table any_ids (
    stream integer not null, id text not null, position integer not null,
    primary key (stream, id)
  ) strict, without rowid;
  create table log_state (one integer primary key check (one = 1), indexed_to integer not null) strict;
  insert into log_state values (1, 0);
`;

/** Opens, and makes if need be, a log for its one writer. Every commit is synced before it returns. @throws Error */
export const openForWriting = (path: string): Db => {
  closeToOthers(path);
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  // On every open: better-sqlite3 is built so that a reopened WAL database would run NORMAL, which loses the last commits.
  db.pragma("synchronous = FULL");
  db.pragma("wal_autocheckpoint = 0");
  limitWal(db);
  // The index is written in sorted batches: 32 MiB instead of 16 save nothing, with 100 streams or 1,000.
  db.pragma("cache_size = -16384");
  const version = db.pragma("user_version", { simple: true });
  if (version === 0) {
    db.transaction(() => {
      db.exec(schema);
      db.pragma(`user_version = ${formatVersion}`);
    })();
  } else if (version !== formatVersion) {
    db.close();
    throw otherFormat(path, version);
  }
  return db;
};

/** A second connection, which sees what is committed and synced. @throws Error when there is no log of this format. */
export const openForReading = (path: string): Db => {
  const db = openToRead(path);
  const version = db.pragma("user_version", { simple: true });
  if (version === formatVersion) return db;
  db.close();
  throw otherFormat(path, version);
};

const otherFormat = (path: string, version: unknown): Error =>
  typeof version === "number" && version > formatVersion
    ? new NewerFormat(path, version, formatVersion)
    : new Error(`${path} is not a log of format ${formatVersion}`);

/** Position of the last event, 0 for an empty log. */
export const prepareLastPosition = (db: Db): (() => Position) => {
  const last = db.prepare<[], Position>("select coalesce(max(position), 0) from events").pluck();
  return () => last.get() ?? noPosition;
};

/** Up to which position the two indexes are complete. */
export const prepareIndexedTo = (db: Db): (() => Position) => {
  const state = db.prepare<[], Position>("select indexed_to from log_state").pluck();
  return () => state.get() ?? noPosition;
};
