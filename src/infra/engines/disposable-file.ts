import Database from "better-sqlite3";
import { closeToOthers } from "./sqlite-file.js";
import { keepWalSmall } from "./wal.js";

/**
 * Opens, and makes if need be, a file (mode 600) that holds nothing of its own: what is lost of it is made again. OFF: not
 * even its order of writes is kept over a power cut.
 */
export const openDisposable = (path: string, synchronous: "NORMAL" | "OFF"): Database.Database => {
  closeToOthers(path);
  const db = new Database(path);
  try {
    db.pragma("journal_mode = WAL");
    keepWalSmall(db, path);
    db.pragma(`synchronous = ${synchronous}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
};

/** The file is not what SQLite wrote, as opposed to a disk or a directory that does not let it write. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
