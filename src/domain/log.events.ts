import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/**
 * Stored format of `parley-log`: the incarnation of the log. `home`: the cell that this is the log of; logs of before do
 * not say it.
 */
export const logStartedCodec1 = t.intersection([t.type({ epoch: t.string }), t.partial({ home: t.string })]);

/**
 * Why an incarnation begins: `restore` of a backup, `import` of an export, `operator` who asked for it. `importing`: an
 * import is under way, and nothing may be served before the `import` that ends it. Missing of a log's first start.
 */
const causeCodec = t.keyof({ restore: null, importing: null, import: null, operator: null });
export type LogCause = t.TypeOf<typeof causeCodec>;

/**
 * The incarnation that went before, in this log or in the one that events were taken from: its epoch, null where it had
 * none, and the position of the last event that is known of it. Of an import also how many events and which hash.
 */
const previousCodec = t.intersection([
  t.type({ epoch: t.union([t.string, t.null]), head: t.number }),
  t.partial({ events: t.number, sha256: t.string }),
]);
export type PreviousLog = Readonly<t.TypeOf<typeof previousCodec>>;

export const logStartedCodec = t.intersection([
  logStartedCodec1,
  t.partial({ cause: causeCodec, reason: t.string, previous: previousCodec }),
]);
export type LogStarted = { readonly type: "LogStarted" } & EventContext & Readonly<t.TypeOf<typeof logStartedCodec>>;
