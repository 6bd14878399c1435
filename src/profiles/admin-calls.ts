import { adminCall, CallRefused, type AdminCalls } from "../admin-server/call.js";
import { accessRecordedCodec, archiveExportedCodec } from "../domain/access.events.js";
import { holdReleasedCodec, holdSetCodec } from "../domain/holds.events.js";
import { HoldRefused, releaseHoldIn, setHoldIn } from "../commands/holds.js";
import { ArchiveRefused, recordAccessIn, recordArchiveIn } from "../commands/access.js";
import type { EventLog } from "../commands/ports.js";
import { byOperatorCodec } from "../domain/kernel/by.js";
import { t } from "../domain/kernel/fp.js";
import type { SwitchableViews } from "../infra/view-store/sqlite/switchable-views.js";
import type { ReconcileCounts } from "./reconcile-counts.js";
import type { SqliteKeyStore } from "../infra/key-store/sqlite/key-store.js";
import type { filesOf } from "./data-directory.js";
import { eraseUser, type ErasingWith } from "./erasure/erase.js";
import { ErasureRefused } from "./erasure/embedded.js";
import { rotateMasterKey } from "./master-key.js";
import { ids } from "./serving.js";
import type { EmbeddedTree } from "./tree/embedded.js";
import { viewsCallsOf, type ProjectionErrors } from "./views-calls.js";

type Administered = {
  readonly log: Pick<EventLog, "append" | "readStream">;
  readonly keys: Pick<SqliteKeyStore, "rewrap">;
  readonly views: Pick<SwitchableViews, "repair" | "switchTo">;
  readonly erasing: ErasingWith;
  readonly tree: Pick<EmbeddedTree, "rotate">;
};

/** What operators' commands may ask of a running embedded server. */
export const adminCallsOf = (
  { log, keys, views, tree, erasing }: Administered,
  files: ReturnType<typeof filesOf>,
  reconciling: ReconcileCounts,
  errors: () => ProjectionErrors,
): AdminCalls => {
  const recordAccess = recordAccessIn(log, Date.now, ids);
  const recordArchive = recordArchiveIn(log, Date.now, ids);
  return {
    ...viewsCallsOf(views, reconciling, errors),
    "access.record": adminCall(
      t.intersection([accessRecordedCodec, t.type({ by: byOperatorCodec })]),
      ({ kind, reason, scope, by }) => recordAccess({ kind, reason, scope }, by),
    ),
    "keys.rotate": adminCall(t.type({}), (_, { progress }) =>
      rotateMasterKey(files, keys, (rewrapped) => {
        progress(rewrapped, rewrapped);
      }),
    ),
    "user.erase": adminCall(
      t.type({ userId: t.string, reason: t.string, by: byOperatorCodec }),
      (erasure, { progress }) => eraseUser(erasing, erasure, progress).catch(refusing),
    ),
    "hold.set": adminCall(t.intersection([holdSetCodec, t.type({ by: byOperatorCodec })]), ({ by, ...hold }) =>
      setHoldIn(log, Date.now, ids)(hold, by).catch(refusing),
    ),
    "hold.release": adminCall(
      t.intersection([holdReleasedCodec, t.type({ by: byOperatorCodec })]),
      ({ by, ...release }) => releaseHoldIn(log, Date.now, ids)(release, by).catch(refusing),
    ),
    "tree.rotate-key": adminCall(t.type({ by: byOperatorCodec }), async ({ by }) => {
      const { keyId, replaces } = await tree.rotate(by);
      return { keyId, ...(replaces === undefined ? {} : { replaces }) };
    }),
    "archive.record": adminCall(
      t.intersection([t.exact(archiveExportedCodec), t.type({ by: byOperatorCodec, since: t.number })]),
      ({ by, ...run }) => recordArchive(run, by).catch(refusing),
    ),
  };
};

/** What was understood and not done is told with its code; anything else is a defect. */
const refusing = (error: unknown): never => {
  throw error instanceof ErasureRefused || error instanceof HoldRefused || error instanceof ArchiveRefused
    ? new CallRefused(error.code, error.message)
    : error;
};
