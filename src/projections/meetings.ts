import type { ConversationId, UserId } from "../domain/kernel/ids.js";
import { noPosition } from "../domain/kernel/stream.js";
import type { ActivityKey, ViewReads } from "./ports/view-store.js";
import { mayHaveMet } from "./views/visibility.js";

/** Conversations of a read. */
const pageSize = 200;

/** All conversations that a user is or was a member of, a page at a time, by id. */
export async function* conversationsOf(
  reads: Pick<ViewReads, "touchedSince">,
  userId: UserId,
): AsyncGenerator<readonly ConversationId[]> {
  let after: ActivityKey | undefined;
  do {
    const page = { touchedAfter: noPosition, order: "id", limit: pageSize } as const;
    const rows = await reads.touchedSince(userId, after === undefined ? page : { ...page, after });
    yield rows.map(({ conversationId }) => conversationId);
    after = rows.length < pageSize ? undefined : rows.at(-1);
  } while (after !== undefined);
}

/** Whether the reader may have seen the other named anywhere, or what they wrote. */
export const haveMet = async (
  reads: Pick<ViewReads, "touchedSince" | "summaries" | "membershipSteps">,
  reader: UserId,
  other: UserId,
): Promise<boolean> => {
  for await (const ids of conversationsOf(reads, other))
    for (const { steps, conversation } of await reads.summaries(reader, ids))
      if (mayHaveMet(steps, await reads.membershipSteps(conversation.conversationId, other))) return true;
  return false;
};
