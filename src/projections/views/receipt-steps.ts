import type { ConversationId, Sequence } from "../../domain/kernel/ids.js";
import type { Cursor } from "../../domain/receipts/receipts.events.js";
import { raise, type ViewChange } from "../view-change.js";
import type { Projection } from "./projection.js";

export type StepKind = "delivered" | "read";

/**
 * When a member first had received or read up to a message: the times of message info. Written for conversations of
 * every size, read in those of `receiptTimesMembersMax` members at most.
 */
export const receiptSteps: Projection<"receiptSteps"> = {
  ReceiptsAdvanced: ({ conversationId, cursors }) => cursors.flatMap((cursor) => stepsOf(conversationId, cursor)),
};

/** One step for a read, which is a delivery too, and one for a delivery that goes beyond it. */
const stepsOf = (conversationId: ConversationId, cursor: Cursor): readonly ViewChange[] => {
  const { userId, at, deliveredUpTo = 0, readUpTo = 0 } = cursor;
  const read = cursor.private === true ? 0 : readUpTo;
  const delivered = Math.max(deliveredUpTo, readUpTo);
  const step = (kind: StepKind, upTo: Sequence) =>
    raise("receiptSteps", [conversationId, userId, kind, upTo], { minusAt: -at });
  return [...(read > 0 ? [step("read", read)] : []), ...(delivered > read ? [step("delivered", delivered)] : [])];
};
