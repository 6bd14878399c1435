import { statSync } from "node:fs";
import type Database from "better-sqlite3";

/**
 * A WAL keeps the size that it once had to have: a reader that takes its time (a backup, an auditor's long query) leaves
 * hundreds of megabytes behind. Above this it is cut once no reader needs it any more: by the next commit that begins
 * it anew, or while nothing else is to be done. Smaller ones are used again as they are, which costs nothing.
 */
export const walBytesKept = 16 * 1024 * 1024;
/** How often a file without writes is looked at. */
export const walLookMs = 1_000;

/** Of the WAL beside the file; 0 where there is none. */
export const walBytes = (path: string): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;

/** Of a connection that writes: a WAL that is begun anew is cut to what is kept. */
export const limitWal = (db: Database.Database): void => {
  db.pragma(`journal_size_limit = ${walBytesKept}`);
};

type Progress = { readonly busy: number; readonly log: number; readonly checkpointed: number };

/**
 * Moves what is in a large WAL into the file and cuts it. Waits for no reader: what one still reads stays, and is
 * looked at again later. Takes some milliseconds for each megabyte that is still to be moved, so it is for idle
 * moments.
 * @throws SqliteError as a commit does
 */
export const cutWal = (db: Database.Database, path: string): void => {
  if (walBytes(path) <= walBytesKept) return;
  const [moved] = db.pragma("wal_checkpoint(PASSIVE)") as readonly Progress[];
  if (moved?.busy !== 0 || moved.checkpointed < moved.log) return;
  const patience = db.pragma("busy_timeout", { simple: true }) as number;
  db.pragma("busy_timeout = 0");
  try {
    db.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    db.pragma(`busy_timeout = ${patience}`);
  }
};

/** Limits the WAL, and cuts it in a turn of the event loop in which its thread has nothing else to do. Ends with the connection. */
export const keepWalSmall = (db: Database.Database, path: string): void => {
  limitWal(db);
  const looking = setInterval(() => {
    if (!db.open) {
      clearInterval(looking);
      return;
    }
    try {
      cutWal(db, path);
    } catch {
      // Everything is still in the WAL, as safe as before. The next commit tells what ails the disk.
    }
  }, walLookMs);
  looking.unref();
};
