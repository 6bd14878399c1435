import type Database from "better-sqlite3";
import { reactionUserIdsMax, type FoundMessage, type MessageRow } from "../../../projections/ports.js";

export type ReactionReads = {
  /** By sequence, for the messages of a range (inclusive) that have any: what a page of history shows. */
  readonly within: (conversationId: string, from: number, to: number) => ReadonlyMap<number, MessageRow["reactions"]>;
  /** All of one message. */
  readonly all: (conversationId: string, sequence: number) => FoundMessage["reactions"];
};

/** Emoji as the first who are there spelled them, in the order in which they were first there, users in the order in which they added it last. */
export const reactionReads = (db: Database.Database): ReactionReads => {
  type Group = { readonly sequence: number; readonly emoji: string; readonly count: number };
  const groups = db.prepare<[string, number, number], Group>(
    `select sequence, emoji, sum(present) as count from reactions
      where conversationId = ? and sequence between ? and ? group by sequence, emoji having sum(present) > 0
      order by sequence, max(minusFirstPos) desc`,
  );
  const users = db.prepare<[string, number, string, number], { readonly userId: string; readonly shown: string }>(
    `select userId, shown from reactions
      where conversationId = ? and sequence = ? and emoji = ? and present = 1 order by present__v limit ?`,
  );
  const all = db.prepare<[string, number], FoundMessage["reactions"][number]>(
    "select shown as emoji, userId from reactions where conversationId = ? and sequence = ? and present = 1",
  );
  return {
    within: (conversationId, from, to) => {
      const found = new Map<number, MessageRow["reactions"][number][]>();
      for (const { sequence, emoji, count } of groups.all(conversationId, from, to)) {
        const named = users.all(conversationId, sequence, emoji, reactionUserIdsMax);
        const reaction = { emoji: named[0]?.shown ?? emoji, count, userIds: named.map(({ userId }) => userId) };
        const ofMessage = found.get(sequence);
        if (ofMessage === undefined) found.set(sequence, [reaction]);
        else ofMessage.push(reaction);
      }
      return found;
    },
    all: (conversationId, sequence) => all.all(conversationId, sequence),
  };
};
