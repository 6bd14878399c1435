import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { closeToOthers } from "./sqlite-file.js";

export type FileLock = { readonly release: () => void };

/**
 * Takes the lock for this process; undefined while another has it. The lock is the kernel's, on an open file (made, mode
 * 600, if it is not there): it goes with the process, however that ends, and leaves nothing to clean up.
 */
export const takeFileLock = (path: string): FileLock | undefined => {
  closeToOthers(path);
  const lock = new Database(path, { timeout: 0 });
  try {
    lock.pragma("locking_mode = EXCLUSIVE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return {
    release: () => {
      lock.close();
    },
  };
};

/**
 * Whether some process has the lock. Asked with a shared lock that is held for microseconds: taking the holder's own
 * kind could make one that starts at this moment believe that it has a rival.
 */
export const isFileLocked = (path: string): boolean => {
  if (!existsSync(path)) return false;
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 });
  try {
    db.prepare("select count(*) from sqlite_schema").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    db.close();
  }
};

const isBusy = (error: unknown): boolean =>
  error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
