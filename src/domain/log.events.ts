import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/** Stored format of `parley-log`: the incarnation of the log. A restore or an import appends a new one. */
export const logStartedCodec = t.type({ epoch: t.string });
export type LogStarted = { readonly type: "LogStarted" } & EventContext & Readonly<t.TypeOf<typeof logStartedCodec>>;
