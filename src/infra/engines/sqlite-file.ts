import { accessSync, chmodSync, closeSync, constants, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";

/** Makes the file if it is not there, and closes it to all but its owner: SQLite gives the WAL the mode of the file that it finds. */
export const closeToOthers = (path: string): void => {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
};

/** Nothing is wrong with the file; this Parley is too old for it. */
export class NewerFormat extends Error {
  constructor(path: string, format: number, known: number) {
    super(`${path} was written by a newer Parley (its format is ${format}, this one reads ${known}): upgrade Parley`);
    this.name = "NewerFormat";
  }
}

/** Nothing is known of the file: this user cannot look at it. */
export class NotReadableHere extends Error {
  constructor(path: string, reason: string) {
    super(
      `${path} cannot be looked at: ${reason}. Run this as the server's user, or look at a copy of the directory: cp -r ${dirname(path)} COPY`,
    );
    this.name = "NotReadableHere";
  }
}

/**
 * Opens a file for reading alone, beside its writer or without one. SQLite makes files beside one in WAL mode, also to
 * read it, and a read-only connection leaves them. One that may write takes them with it when it is the last; where
 * something waits in the WAL it would also move that into the file, so there the connection is read-only.
 *
 * @throws NotReadableHere when this user may not, Error for what is no file of SQLite's
 */
export const openToRead = (path: string, busyMsMax = 5_000): Database.Database => {
  const waiting = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: waiting > 0, fileMustExist: true, timeout: busyMsMax });
    db.pragma("query_only = ON");
    // Only now is the file looked at.
    db.prepare("select count(*) from sqlite_schema").get();
    return db;
  } catch (error) {
    db?.close();
    if (!may(path, constants.R_OK)) throw new NotReadableHere(path, "it is not readable by this user");
    if (!may(dirname(path), constants.W_OK))
      throw new NotReadableHere(
        path,
        "its directory is not writable by this user, and SQLite makes files beside one that it reads",
      );
    throw error;
  }
};

const may = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};

/**
 * Opens a file of SQLite's. What goes wrong is said with the file's name and as a plain Error: SQLite's own errors lose
 * their text on the way from a worker to the main thread.
 */
export const opening = <A>(path: string, what: string, open: () => A): A => {
  try {
    return open();
  } catch (error) {
    if (error instanceof NewerFormat) throw new Error(error.message);
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.includes("disk is full"))
      throw new Error(`${path} (${what}) cannot be opened: ${reason}. Make room there, then start Parley again.`);
    throw new Error(`${path} (${what}) cannot be opened: ${reason}. Restore it from a backup, or name another --data.`);
  }
};

/**
 * After such a failure it is unknown what the file holds, and what the next sync says is not to be believed. Any other
 * one has taken its transaction back as a whole.
 */
export const isInDoubt = (error: unknown): error is Error =>
  error instanceof Database.SqliteError && /^SQLITE_(IOERR|CORRUPT|NOTADB)/.test(error.code);
