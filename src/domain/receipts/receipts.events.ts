import { t } from "../kernel/fp.js";
import type { EventContext } from "../kernel/decider.js";

/**
 * Stored format of `receipts-{id}`: a batch of cursors that only grow, of any member's devices, each with its time.
 * They commute, so they are appended without an expected revision. The event's own `by` is the user who caused the
 * append; the cursors name their users themselves.
 */
export const cursorCodec = t.intersection([
  t.type({ userId: t.string, deviceId: t.string, at: t.number }),
  /** `private`: read while the reader shows no reads; it counts for the reader's own unread and is shown to nobody. */
  t.partial({ deliveredUpTo: t.number, readUpTo: t.number, private: t.literal(true) }),
]);
export type Cursor = Readonly<t.TypeOf<typeof cursorCodec>>;

export const receiptsAdvancedCodec = t.type({ conversationId: t.string, cursors: t.array(cursorCodec) });

export type ReceiptsAdvanced = { readonly type: "ReceiptsAdvanced" } & EventContext &
  Readonly<t.TypeOf<typeof receiptsAdvancedCodec>>;
export type ReceiptsEvent = ReceiptsAdvanced;
