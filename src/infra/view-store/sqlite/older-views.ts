import { existsSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import type { Checkpoint } from "../../../projections/ports/view-store.js";
import { viewsVersion } from "../../../projections/registry.js";
import { busyMsMax, cannotOpen } from "./views-file.js";

/** Views in the form of an older Parley, which an upgrade finds: this one cannot read them, and needs none of them. */
export type OlderViews = { readonly checkpoint: Checkpoint | undefined };

/** Tables that views have had in every form: a file without them is another program's, and is not to be deleted. */
const alwaysThere = ["checkpoint", "conversations", "members", "messages"];

/**
 * What is in the file, where it is older views; undefined for all else, which `openSqliteViewsFile` takes or refuses.
 * @throws ViewsUnusable when it is damaged, StoreUnavailable while it cannot be looked at
 */
export const olderViewsIn = (path: string): OlderViews | undefined => {
  if (!existsSync(path)) return undefined;
  const db = new Database(path);
  try {
    db.pragma(`busy_timeout = ${busyMsMax}`);
    const version = db.pragma("user_version", { simple: true }) as number;
    const tables = db.prepare<[], string>("select name from sqlite_schema where type = 'table'").pluck().all();
    if (version >= viewsVersion || !alwaysThere.every((table) => tables.includes(table))) return undefined;
    return { checkpoint: db.prepare<[], Checkpoint>("select position, epoch from checkpoint").get() };
  } catch (error) {
    throw error instanceof Database.SqliteError ? cannotOpen(path, error) : error;
  } finally {
    db.close();
  }
};

/** The file itself goes last: what is left of a deletion that was cut short is older views, or nothing. */
export const discardViews = (path: string): void => {
  for (const suffix of ["-wal", "-shm", ""]) rmSync(path + suffix, { force: true });
};
