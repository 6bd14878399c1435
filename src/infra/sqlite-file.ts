import { chmodSync, closeSync, openSync } from "node:fs";
import Database from "better-sqlite3";

/** Makes the file if it is not there, and closes it to all but its owner: SQLite gives the WAL the mode of the file that it finds. */
export const closeToOthers = (path: string): void => {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
};

/**
 * Opens a file of SQLite's. What goes wrong is said with the file's name and as a plain Error: SQLite's own errors lose
 * their text on the way from a worker to the main thread.
 */
export const opening = <A>(path: string, what: string, open: () => A): A => {
  try {
    return open();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} (${what}) cannot be opened: ${reason}. Restore it from a backup, or name another --data.`);
  }
};

/**
 * After such a failure nobody knows what the file holds, and what the next sync says is not to be believed. Any other one has
 * taken its transaction back as a whole.
 */
export const isInDoubt = (error: unknown): error is Error =>
  error instanceof Database.SqliteError && /^SQLITE_(IOERR|CORRUPT|NOTADB)/.test(error.code);
