import type Database from "better-sqlite3";
import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { Revision } from "../../../domain/kernel/stream.js";
import { sealedThere } from "../../../projections/views/sealed-value.js";
import { reactionUserIdsMax, type FoundMessage, type MessageRow } from "../../../projections/ports/rows.js";

export type ReactionReads = {
  /** By sequence, for the messages of a range (inclusive) that have any: what a page of history shows. */
  readonly within: (
    conversationId: ConversationId,
    from: Sequence,
    to: Sequence,
  ) => ReadonlyMap<Sequence, MessageRow["reactions"]>;
  /** All of one message. */
  readonly all: (conversationId: ConversationId, sequence: Sequence) => FoundMessage["reactions"];
};

/** In the order in which they were first there, users in the order in which they added it last. */
export const reactionReads = (db: Database.Database): ReactionReads => {
  type Group = { readonly sequence: Sequence; readonly digest: string; readonly count: number };
  const groups = db.prepare<[string, number, number], Group>(
    `select sequence, digest, sum(present) as count from reactions
      where conversationId = ? and sequence between ? and ? group by sequence, digest having sum(present) > 0
      order by sequence, max(minusFirstPos) desc`,
  );
  type Named = { readonly userId: UserId; readonly pos: Revision; readonly shown: string };
  const users = db.prepare<[string, number, string, number], Named>(
    `select userId, present__v as pos, shown from reactions
      where conversationId = ? and sequence = ? and digest = ? and present = 1 order by present__v limit ?`,
  );
  const all = db.prepare<[string, number], FoundMessage["reactions"][number]>(
    "select digest, userId from reactions where conversationId = ? and sequence = ? and present = 1",
  );
  return {
    within: (conversationId, from, to) => {
      const found = new Map<Sequence, MessageRow["reactions"][number][]>();
      for (const { sequence, digest, count } of groups.all(conversationId, from, to)) {
        const named = users.all(conversationId, sequence, digest, reactionUserIdsMax);
        const reaction = {
          count,
          users: named.map(({ userId, pos, shown }) => ({ userId, pos, emoji: sealedThere(shown) })),
        };
        const ofMessage = found.get(sequence);
        if (ofMessage === undefined) found.set(sequence, [reaction]);
        else ofMessage.push(reaction);
      }
      return found;
    },
    all: (conversationId, sequence) => all.all(conversationId, sequence),
  };
};
