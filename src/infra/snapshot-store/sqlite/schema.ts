/** The snapshot store's file. */
import { rmSync } from "node:fs";
import type Database from "better-sqlite3";
import { isDamage, openDisposable } from "../../engines/disposable-file.js";

/** Of these tables; a file of another one is made anew. */
const schemaVersion = 1;

const tables = `
  create table snapshots (
    stream text primary key, version integer not null, revision integer not null, event_id text not null,
    names text not null
  ) strict, without rowid;
  create table chunks (
    stream text not null, name text not null, fixed integer not null, digest blob not null, data blob not null,
    primary key (stream, name)
  ) strict;
`;

/** Opens, and makes if need be, the file (mode 600); one that is damaged or of another schema is replaced. @throws Error */
export const openSnapshotFile = (path: string): Database.Database => {
  try {
    const db = open(path);
    if (db.pragma("user_version", { simple: true }) === schemaVersion) return db;
    db.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  discardSnapshotFile(path);
  const db = open(path);
  db.exec(tables);
  db.pragma(`user_version = ${schemaVersion}`);
  return db;
};

export const discardSnapshotFile = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
};

/** A snapshot that a power cut takes with it is a longer fold. */
const open = (path: string): Database.Database => openDisposable(path, "OFF");
