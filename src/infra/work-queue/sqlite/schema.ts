/** The work queue's file. */
import Database from "better-sqlite3";
import { closeToOthers } from "../../engines/sqlite-file.js";
import { keepWalSmall } from "../../engines/wal.js";

/** How long a commit of another process is waited for. The main thread stands still meanwhile, so it is short. */
const busyMsMax = 250;

const tables = `
  create table if not exists jobs (
    seq integer primary key autoincrement, id text not null, payload text not null,
    attempts integer not null default 0, visible_at integer not null
  ) strict;
  create index if not exists jobs_by_time on jobs (visible_at, seq);
  create table if not exists dead (
    seq integer primary key autoincrement, id text not null unique, payload text not null,
    reason text not null, attempts integer not null, died_at integer not null
  ) strict;
  create table if not exists recent (id text primary key, until integer not null) strict, without rowid;
  create index if not exists recent_by_time on recent (until);
  create table if not exists totals (
    name text primary key, jobs integer not null, bytes integer not null
  ) strict, without rowid;
  insert or ignore into totals values ('jobs', 0, 0), ('dead', 0, 0);
`;

/** Counting a long table at every enqueue would take longer than writing to it. */
const totalsOf = (table: "jobs" | "dead"): string => `
  create trigger if not exists ${table}_more after insert on ${table} begin
    update totals set jobs = jobs + 1, bytes = bytes + octet_length(new.payload) where name = '${table}';
  end;
  create trigger if not exists ${table}_fewer after delete on ${table} begin
    update totals set jobs = jobs - 1, bytes = bytes - octet_length(old.payload) where name = '${table}';
  end;
`;

/** Opens, and makes if need be, the file (mode 600). Every commit is synced before it returns. @throws Error */
export const openQueueFile = (path: string): Database.Database => {
  closeToOthers(path);
  const db = new Database(path, { timeout: busyMsMax });
  db.pragma("journal_mode = WAL");
  keepWalSmall(db, path);
  // On every open: a reopened WAL database would run NORMAL, and an enqueued job is durable.
  db.pragma("synchronous = FULL");
  db.transaction(() => db.exec(tables + totalsOf("jobs") + totalsOf("dead"))).immediate();
  return db;
};
