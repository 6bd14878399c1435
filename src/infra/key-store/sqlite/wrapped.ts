/** Keys in SQLite lie wrapped by a master key, but in files of before, where the first start of this version wraps them. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type Database from "better-sqlite3";
import { openToRead } from "../../engines/sqlite-file.js";
import { isWrappedByFirst, keyBytes, unwrap, wrap, type MasterKeys } from "../wrapping.js";

/** `user_version` of a file whose keys are wrapped; 0: they lie plain. */
const wrappedVersion = 1;
/** A row of its own that tells a wrong master key. No data key has this name: theirs begin with what they belong to. */
export const masterKeySentinel = "#master-key";
/** Keys that are wrapped anew in one commit: other callers wait for it some milliseconds. */
const rewrapKeysMax = 500;

export const areKeysWrapped = (db: Database.Database): boolean =>
  (db.pragma("user_version", { simple: true }) as number) >= wrappedVersion;

/**
 * Wraps what lies plain, all or nothing, and checks that the master keys are those of the file.
 * @throws WrongMasterKey when they are not
 */
export const prepareWrapped = (db: Database.Database, masterKeys: MasterKeys): void => {
  if (!areKeysWrapped(db)) {
    wrapAll(db, masterKeys);
    // What lay plain is overwritten in the file (secure_delete); the log of writes still has pages of before.
    db.pragma("wal_checkpoint(TRUNCATE)");
  }
  requireSentinel(db, masterKeys);
};

/** @throws WrongMasterKey */
export const requireSentinel = (db: Database.Database, masterKeys: MasterKeys): void => {
  const sentinel = db.prepare<[string], Buffer>("select key from keys where id = ?").pluck().get(masterKeySentinel);
  if (sentinel !== undefined) unwrap(masterKeys, masterKeySentinel, sentinel);
};

const wrapAll = (db: Database.Database, masterKeys: MasterKeys): void => {
  const all = db.prepare<[], { readonly id: string; readonly key: Buffer }>("select id, key from keys");
  const update = db.prepare<[Buffer, string]>("update keys set key = ? where id = ?");
  const insert = db.prepare<[string, Buffer]>("insert into keys values (?, ?)");
  db.transaction(() => {
    for (const { id, key } of all.all()) update.run(wrap(masterKeys, id, key), id);
    insert.run(masterKeySentinel, wrap(masterKeys, masterKeySentinel, randomBytes(keyBytes)));
    db.pragma(`user_version = ${wrappedVersion}`);
  }).immediate();
};

export type Rewrapped = {
  readonly rewrapped: number;
  /** Where the next page begins; undefined at the end. */ readonly last?: string;
};

/** A page of keys, by id after `after`: those that the first master key did not wrap are wrapped with it. */
export const createRewrap = (db: Database.Database): ((masterKeys: MasterKeys, after: string) => Rewrapped) => {
  const page = db.prepare<[string, number], { readonly id: string; readonly key: Buffer }>(
    "select id, key from keys where id > ? order by id limit ?",
  );
  const update = db.prepare<[Buffer, string]>("update keys set key = ? where id = ?");
  const rewrap = db.transaction((masterKeys: MasterKeys, after: string): Rewrapped => {
    const rows = page.all(after, rewrapKeysMax);
    const older = rows.filter(({ id, key }) => !isWrappedByFirst(masterKeys, id, key));
    for (const { id, key } of older) update.run(wrap(masterKeys, id, unwrap(masterKeys, id, key)), id);
    const last = rows.length < rewrapKeysMax ? undefined : rows.at(-1)?.id;
    return { rewrapped: older.length, ...(last === undefined ? {} : { last }) };
  });
  return (masterKeys, after) => rewrap.immediate(masterKeys, after);
};

/** Of a file that may not be there, or be of before. */
export const keysAreWrappedIn = (path: string): boolean => {
  if (!existsSync(path)) return false;
  const db = openToRead(path);
  try {
    return areKeysWrapped(db);
  } finally {
    db.close();
  }
};
