import { adminCall, type AdminCalls } from "../admin-server/call.js";
import { accessRecordedCodec } from "../domain/access.events.js";
import { recordAccessIn } from "../commands/access.js";
import type { EventLog } from "../commands/ports.js";
import { t } from "../domain/kernel/fp.js";
import { ids } from "./serving.js";

const operatorCodec = t.intersection([t.type({ kind: t.literal("operator") }), t.partial({ userId: t.string })]);

/** What operators' commands may ask of a running embedded server. */
export const adminCallsOf = ({ log }: { readonly log: Pick<EventLog, "append"> }): AdminCalls => {
  const recordAccess = recordAccessIn(log, Date.now, ids);
  return {
    "access.record": adminCall(
      t.intersection([accessRecordedCodec, t.type({ by: operatorCodec })]),
      ({ kind, reason, scope, by }) => recordAccess({ kind, reason, scope }, by),
    ),
  };
};
