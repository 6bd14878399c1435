import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/**
 * Stored format of `parley-log`: the incarnation of the log. A restore or an import appends a new one. `home`: the cell
 * that this is the log of; logs of before do not say it.
 */
export const logStartedCodec = t.intersection([t.type({ epoch: t.string }), t.partial({ home: t.string })]);
export type LogStarted = { readonly type: "LogStarted" } & EventContext & Readonly<t.TypeOf<typeof logStartedCodec>>;
