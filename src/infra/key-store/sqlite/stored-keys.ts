import { setImmediate as nextTurn } from "node:timers/promises";
import type Database from "better-sqlite3";
import { openToRead } from "../../engines/sqlite-file.js";
import { unwrap, wrap, type MasterKeys } from "../wrapping.js";
import { storedKeysPage, type StoredKey, type StoredKeys } from "../stored-keys.js";
import { openKeyFile } from "./schema.js";
import { areKeysWrapped, masterKeySentinel, prepareWrapped, requireSentinel } from "./wrapped.js";

/** To read beside a server, or to write with the directory's lock. @throws WrongMasterKey */
export const openStoredSqliteKeys = (path: string, masterKeys: MasterKeys, mode: "read" | "write"): StoredKeys => {
  const db = mode === "read" ? openToRead(path) : openKeyFile(path);
  try {
    if (mode === "write") prepareWrapped(db, masterKeys);
    else if (areKeysWrapped(db)) requireSentinel(db, masterKeys);
    else throw new Error(`${path} is of an older version, whose keys lie plain: start Parley once, which wraps them`);
    return storedKeysOf(db, masterKeys);
  } catch (error) {
    db.close();
    throw error;
  }
};

const storedKeysOf = (db: Database.Database, masterKeys: MasterKeys): StoredKeys => {
  const page = db.prepare<[string, string, number], { readonly id: string; readonly key: Buffer }>(
    "select id, key from keys where id > ? and id <> ? order by id limit ?",
  );
  const one = db.prepare<[string], Buffer>("select key from keys where id = ?").pluck();
  const count = db.prepare<[string], number>("select count(*) from keys where id <> ?").pluck();
  const insert = db.prepare<[string, Buffer]>("insert into keys values (?, ?) on conflict do nothing");
  const remove = db.prepare<[string]>("delete from keys where id = ?");
  const addAll = (keys: readonly StoredKey[]): number => {
    let added = 0;
    for (const { id, key } of keys) added += insert.run(id, wrap(masterKeys, id, key)).changes;
    return added;
  };
  const add = db.transaction(addAll);
  const replace = db.transaction((away: readonly string[], keys: readonly StoredKey[]) => {
    for (const id of away) remove.run(id);
    addAll(keys);
  });
  return {
    pages: async function* () {
      for (let after = ""; ;) {
        const rows = page.all(after, masterKeySentinel, storedKeysPage);
        if (rows.length > 0) yield rows.map(({ id, key }) => ({ id, key: unwrap(masterKeys, id, key) }));
        const last = rows.at(-1);
        if (last === undefined || rows.length < storedKeysPage) return;
        after = last.id;
        await nextTurn();
      }
    },
    count: () => Promise.resolve(count.get(masterKeySentinel) ?? 0),
    find: (ids) => {
      const found = ids.flatMap((id) => {
        const key = one.get(id);
        return key === undefined ? [] : [[id, unwrap(masterKeys, id, key)] as const];
      });
      return Promise.resolve(new Map(found));
    },
    add: (keys) => Promise.resolve(add.immediate(keys)),
    replace: (away, keys) => {
      replace.immediate(away, keys);
      return Promise.resolve();
    },
    close: () => {
      db.close();
      return Promise.resolve();
    },
  };
};
