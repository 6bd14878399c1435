import { randomBytes } from "node:crypto";
import type Database from "better-sqlite3";
import { erasedMarkOf, keysOfUser } from "../../../domain/kernel/users-keys.js";
import { keyBytes, wrap, type MasterKeys } from "../wrapping.js";

/**
 * Deletes a user's keys and marks the user as erased, in one commit. Their bytes are gone from the file when it returns:
 * `secure_delete` overwrites them there, and the log of writes, which has pages of before, is cut off.
 * @returns the ids of those that were there
 * @throws Error while somebody reads the file, so that the log of writes cannot be cut off: it is repeatable
 */
export const destroy = (db: Database.Database, masterKeys: MasterKeys, userId: string): readonly string[] => {
  const find = db.prepare<[string, string], string>("select id from keys where id >= ? and id < ?").pluck();
  const remove = db.prepare<[string]>("delete from keys where id = ?");
  const mark = db.prepare<[string, Buffer]>("insert into keys values (?, ?) on conflict do nothing");
  const destroyed = db
    .transaction(() => {
      const ids = keysOfUser(userId).flatMap(({ from, to }) => find.all(from, to));
      for (const id of ids) remove.run(id);
      const markId = erasedMarkOf(userId);
      mark.run(markId, wrap(masterKeys, markId, randomBytes(keyBytes)));
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
