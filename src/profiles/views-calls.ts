import { adminCall, CallRefused, type AdminCalls } from "../admin-server/call.js";
import { t } from "../domain/kernel/fp.js";
import { asPosition } from "../domain/kernel/stream.js";
import type { SwitchableViews } from "../infra/view-store/sqlite/switchable-views.js";
import type { Replacement } from "../projections/ports/stored-rows.js";
import { views as registered, viewsVersion } from "../projections/registry.js";
import type { ReconcileCounts } from "./reconcile-counts.js";

const valueCodec = t.union([t.string, t.number, t.boolean, t.null]);
const viewCodec = t.keyof(registered);
const keyCodec = t.array(t.union([t.string, t.number]));
const rowCodec = t.type({
  view: viewCodec,
  key: keyCodec,
  facts: t.record(t.string, valueCodec),
  raised: t.record(t.string, t.number),
  registers: t.record(t.string, t.type({ value: valueCodec, version: t.number })),
});
const replacementCodec = t.intersection([t.type({ view: viewCodec, key: keyCodec }), t.partial({ right: rowCodec })]);

/** Why they do not go on; null when they do. */
export type ProjectionErrors = { readonly views: string | null; readonly delivery: string | null };

/** What operators' commands ask of a running server's views. */
export const viewsCallsOf = (
  views: Pick<SwitchableViews, "repair" | "switchTo">,
  counts: ReconcileCounts,
  errors: () => ProjectionErrors,
): AdminCalls => ({
  "projections.errors": adminCall(t.type({}), () => Promise.resolve(errors())),
  "projections.switch": adminCall(
    t.type({ viewsVersion: t.number, generation: t.number }),
    async ({ viewsVersion: theirs, generation }) => {
      if (theirs !== viewsVersion) throw otherVersion(theirs);
      return { from: await views.switchTo(generation) };
    },
  ),
  "views.repair": adminCall(
    t.type({ viewsVersion: t.number, at: t.number, replacements: t.array(replacementCodec) }),
    async ({ viewsVersion: theirs, at, replacements }) => {
      if (theirs !== viewsVersion) throw otherVersion(theirs);
      await views.repair(asPosition(at), replacements.map(replacementOf));
      counts.repaired(replacements.length);
    },
  ),
});

const otherVersion = (theirs: number): CallRefused =>
  new CallRefused(
    "OTHER_VERSION",
    `the command makes views of version ${theirs}, and this server has version ${viewsVersion}: use the server's own parley`,
  );

type Asked = t.TypeOf<typeof replacementCodec>;

const replacementOf = ({ view, key, right }: Asked): Replacement => ({
  view: view,
  key,
  stored: undefined,
  right: right,
});
