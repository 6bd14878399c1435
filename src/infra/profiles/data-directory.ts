import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

/** The files of an embedded Parley. `views.db` alone may be deleted: it is made again from the log. */
export const filesOf = (dir: string) => ({
  log: join(dir, "log.db"),
  keys: join(dir, "keys.db"),
  views: join(dir, "views.db"),
  lock: join(dir, "parley.lock"),
});

export class DirectoryInUse extends Error {
  constructor(dir: string) {
    super(`Another Parley is using ${dir}. Stop it, or give this one a directory of its own with --data DIR.`);
    this.name = "DirectoryInUse";
  }
}

/**
 * Makes the directory and takes it for this process. The lock is the kernel's, on an open file: it goes with the
 * process, however that ends, and leaves nothing to clean up.
 *
 * @throws DirectoryInUse
 */
export const lockDirectory = (dir: string): { readonly release: () => void } => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = new Database(filesOf(dir).lock, { timeout: 0 });
  try {
    lock.pragma("locking_mode = EXCLUSIVE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) throw new DirectoryInUse(dir);
    throw error;
  }
  return {
    release: () => {
      lock.close();
    },
  };
};
