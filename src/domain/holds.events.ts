import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/** Stored formats of `parley-holds`: what must not be erased, nor expire, while a case goes on. */

/** `case`: the operator's name of it, one hold at a time. `until`: Unix milliseconds; absent: until it is released. */
export const holdSetCodec = t.intersection([
  t.type({ case: t.string, users: t.array(t.string), conversations: t.array(t.string), reason: t.string }),
  t.partial({ until: t.number }),
]);
export const holdReleasedCodec = t.type({ case: t.string, reason: t.string });

export type HoldSet = { readonly type: "HoldSet" } & EventContext & Readonly<t.TypeOf<typeof holdSetCodec>>;
export type HoldReleased = { readonly type: "HoldReleased" } & EventContext &
  Readonly<t.TypeOf<typeof holdReleasedCodec>>;
export type HoldEvent = HoldSet | HoldReleased;
