import type { Telemetry } from "../infra/telemetry.js";

/** What reconciling has mended in this process. */
export type ReconcileCounts = { readonly repaired: (count: number) => void };

export const reconcileCountsIn = ({ counter }: Pick<Telemetry, "counter">): ReconcileCounts => ({
  repaired: counter("parley_reconcile_repaired_total", "Rows that were replaced by what the log says."),
});
