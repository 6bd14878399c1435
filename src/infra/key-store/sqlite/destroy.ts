import { randomBytes } from "node:crypto";
import type Database from "better-sqlite3";
import { erasedMarkOf, keysOfUser } from "../../../domain/kernel/users-keys.js";
import { keyBytes, wrap, type MasterKeys } from "../wrapping.js";

/** The ids of a user's keys that are there. */
export const keyIdsOf = (db: Database.Database, userId: string): readonly string[] => {
  const find = db.prepare<[string, string], string>("select id from keys where id >= ? and id < ?").pluck();
  return keysOfUser(userId).flatMap(({ from, to }) => find.all(from, to));
};

/** Marks the user, for whom no key is made from then on. @returns the ids of the keys that are there */
export const condemn = (db: Database.Database, masterKeys: MasterKeys, userId: string): readonly string[] =>
  db
    .transaction(() => {
      const markId = erasedMarkOf(userId);
      const mark = wrap(masterKeys, markId, randomBytes(keyBytes));
      db.prepare<[string, Buffer]>("insert into keys values (?, ?) on conflict do nothing").run(markId, mark);
      return keyIdsOf(db, userId);
    })
    .immediate();

/**
 * Deletes a user's keys and marks the user as erased, in one commit. Their bytes are gone from the file when it returns:
 * `secure_delete` overwrites them there, and the log of writes, which has pages of before, is cut off.
 * @returns the ids of those that were there
 * @throws Error while somebody reads the file, so that the log of writes cannot be cut off: it is repeatable
 */
export const destroy = (db: Database.Database, masterKeys: MasterKeys, userId: string): readonly string[] => {
  const remove = db.prepare<[string]>("delete from keys where id = ?");
  const destroyed = db
    .transaction(() => {
      const ids = condemn(db, masterKeys, userId);
      for (const id of ids) remove.run(id);
      return ids;
    })
    .immediate();
  const [checkpoint] = db.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
  if (checkpoint?.busy !== 0)
    throw new Error(
      "the keys are deleted, but others read keys.db: what its log of writes has cannot be cut off. Run it again",
    );
  return destroyed;
};
