/** The key store's file. */
import Database from "better-sqlite3";
import { closeToOthers } from "../../engines/sqlite-file.js";
import { keepWalSmall } from "../../engines/wal.js";

/** Opens, and makes if need be, the file (mode 600). Every commit is synced before it returns. @throws Error */
export const openKeyFile = (path: string, busyMsMax = 5_000): Database.Database => {
  closeToOthers(path);
  const db = new Database(path, { timeout: busyMsMax });
  db.pragma("journal_mode = WAL");
  keepWalSmall(db, path);
  // On every open: a reopened WAL database would run NORMAL, and an event sealed with a lost key is lost.
  db.pragma("synchronous = FULL");
  // A key that is deleted is to be gone from the file as well.
  db.pragma("secure_delete = ON");
  db.exec("create table if not exists keys (id text primary key, key blob not null) strict, without rowid");
  return db;
};
