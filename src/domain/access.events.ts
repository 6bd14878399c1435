import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/** Stored formats of `parley-access`: what operators looked into, told before it was opened. */

/**
 * A privileged read. `kind`: which one, such as `events.open`; `scope`: what it was about, by names such as `user`,
 * `conversation`, `from`; `reason`: the operator's own words.
 */
export const accessRecordedCodec = t.type({
  kind: t.string,
  reason: t.string,
  scope: t.record(t.string, t.string),
});
export type AccessRecorded = { readonly type: "AccessRecorded" } & EventContext &
  Readonly<t.TypeOf<typeof accessRecordedCodec>>;

export type AccessEvent = AccessRecorded;
