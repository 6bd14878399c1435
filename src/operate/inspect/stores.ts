/**
 * The files of a data directory, read from outside: no connection writes and every read is short, so that a running
 * server is not held up and a stopped one's files stay as they are.
 */
import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import type { KeyStore } from "../../commands/ports.js";
import type { UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { ErasedRow } from "../../projections/ports/rows.js";
import type { Checkpoint } from "../../projections/ports/view-store.js";
import { openSqliteLogReader, type SqliteLogReader } from "../../infra/event-log/sqlite/file-reader.js";
import { isFileLocked } from "../../infra/engines/file-lock.js";
import { openToRead } from "../../infra/engines/sqlite-file.js";
import { readMasterKeyFile } from "../../infra/key-store/master-key-file.js";
import { keyIdsOf } from "../../infra/key-store/sqlite/destroy.js";
import { areKeysWrapped, requireSentinel } from "../../infra/key-store/sqlite/wrapped.js";
import { unwrap, type MasterKeys } from "../../infra/key-store/wrapping.js";
import { givenMasterKeys } from "../../settings/master-key.js";
import { filesOf } from "../../profiles/data-directory.js";

/** There is nothing here to look into; the message says what to do. */
export class NotThere extends Error {
  constructor(what: string, mend: string) {
    super(`${what}. ${mend}`);
    this.name = "NotThere";
  }
}

/** How long a read waits for a lock that a writer holds for a moment. */
const busyMsMax = 2_000;

/** @throws NotThere without a log; Error when the file cannot be read as one. */
export const openLogOf = (dir: string): SqliteLogReader => {
  const { log } = filesOf(dir);
  if (!existsSync(log))
    throw new NotThere(
      `There is no log in ${dir}`,
      "Name the server's data directory with --data DIR (or PARLEY_DATA)",
    );
  try {
    return openSqliteLogReader(log);
  } catch (error) {
    throw isDamaged(error)
      ? new Error(`${log} is damaged: ${error.message}. Restore its backup`, { cause: error })
      : error;
  }
};

/** It is no file of SQLite's, or none of ours. */
export const isDamaged = (error: unknown): error is Error =>
  error instanceof Database.SqliteError && /^SQLITE_(NOTADB|CORRUPT|ERROR$)/.test(error.code);

/** Whether a server has the directory. */
export const isLocked = (dir: string): boolean => isFileLocked(filesOf(dir).lock);

/** How far the views' file has come; undefined when it was never written. @throws NotThere, and Error for another file. */
export const readCheckpoint = (dir: string): Checkpoint | undefined => {
  const { views } = filesOf(dir);
  if (!existsSync(views))
    throw new NotThere(`There are no views in ${dir}`, "Start Parley: it builds them from the log");
  const db = openToRead(views, busyMsMax);
  try {
    return db.prepare<[], Checkpoint>("select position, epoch from checkpoint").get();
  } finally {
    db.close();
  }
};

/** Users whom the log says to be erased, as far as the views have come, a page after a position. None where there are no views. */
export const erasedInViews = (dir: string, after: Position, limit: number): readonly ErasedRow[] => {
  const { views } = filesOf(dir);
  if (!existsSync(views)) return [];
  const db = openToRead(views, busyMsMax);
  try {
    return db
      .prepare<[number, number], ErasedRow>(
        "select userId, erasedPosition as position from users where erasedPosition > ? order by erasedPosition limit ?",
      )
      .all(after, limit);
  } finally {
    db.close();
  }
};

export type KeysReader = Pick<KeyStore, "cached" | "find"> & {
  readonly count: () => number;
  /** Whether there is a key of what this user wrote. */
  readonly hasOfUser: (userId: UserId) => boolean;
  readonly close: () => void;
};

/** Keys are found, never made. @throws (rejects) NotThere, and Error for a file that holds no keys, or for another master key */
export const openKeysOf = async (dir: string): Promise<KeysReader> => {
  const { keys, masterKey } = filesOf(dir);
  if (!existsSync(keys))
    throw new NotThere(
      `There is no key file in ${dir}`,
      "Sealed content cannot be opened without it: restore keys.db from its backup",
    );
  const masterKeys = givenMasterKeys(process.env) ?? (await readMasterKeyFile(masterKey));
  const db = openToRead(keys, busyMsMax);
  try {
    return readerOf(db, masterKeysFor(db, masterKeys, masterKey));
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Undefined for a file of before, in which keys lie plain. @throws NotThere, WrongMasterKey */
const masterKeysFor = (db: Database.Database, masterKeys: MasterKeys | undefined, path: string) => {
  if (!areKeysWrapped(db)) return undefined;
  if (masterKeys === undefined)
    throw new NotThere(`There is no master key in ${path}`, `Restore it from its backup, or set PARLEY_MASTER_KEY`);
  requireSentinel(db, masterKeys);
  return masterKeys;
};

const readerOf = (db: Database.Database, masterKeys: MasterKeys | undefined): KeysReader => {
  const stored = db.prepare<[string], Buffer>("select key from keys where id = ?").pluck();
  const find = (keyId: string): Buffer | undefined => {
    const key = stored.get(keyId);
    return key === undefined || masterKeys === undefined ? key : unwrap(masterKeys, keyId, key);
  };
  const count = db.prepare<[], number>("select count(*) from keys where id not like '#%'").pluck();
  return {
    cached: find,
    find: (keyId) => Promise.resolve(find(keyId)),
    count: () => count.get() ?? 0,
    hasOfUser: (userId) => keyIdsOf(db, userId).length > 0,
    close: () => {
      db.close();
    },
  };
};
