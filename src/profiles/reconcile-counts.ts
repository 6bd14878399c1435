import type { Logger } from "../gateway/ports.js";
import type { Telemetry } from "../infra/telemetry.js";
import type { Sampled, SamplingOptions } from "../projections/reconcile/sample.js";

/** What reconciling has found and mended in this process: by its own sample, and for operators. */
export type ReconcileCounts = {
  readonly sampled: (rows: number, drifted: Sampled["drifted"]) => void;
  readonly failed: () => void;
  readonly repaired: (count: number) => void;
};

export const reconcileCountsIn = ({ counter }: Pick<Telemetry, "counter">): ReconcileCounts => {
  const compared = counter("parley_reconcile_rows_total", "Rows that the sample has compared with the log.");
  const drifted = counter("parley_reconcile_drifted_total", "Rows of the sample that are not what the log says.", [
    "view",
  ]);
  const failed = counter("parley_reconcile_failed_total", "Conversations of the sample that could not be compared.");
  return {
    sampled: (rows, byView) => {
      compared(rows);
      for (const [view, count] of Object.entries(byView)) drifted(count, view);
    },
    failed: () => {
      failed(1);
    },
    repaired: counter("parley_reconcile_repaired_total", "Rows that were replaced by what the log says."),
  };
};

const textMax = 60;
const cut = (value: unknown): unknown =>
  typeof value === "string" && value.length > textMax ? `${value.slice(0, textMax)}…` : value;

/** Says and counts what a sample finds. Each row that has drifted is a line with its proof. */
export const tellingSampled = (
  counts: ReconcileCounts,
  logger: Logger,
): Pick<SamplingOptions, "onSampled" | "onProblem"> => ({
  onSampled: ({ conversationId, rows, drifted, drifts }) => {
    counts.sampled(rows, drifted);
    for (const { view, key, kind, fields } of drifts)
      logger.error(
        {
          view,
          key,
          kind,
          fields: fields.map((each) => ({ ...each, stored: cut(each.stored), right: cut(each.right) })),
        },
        `a row of the views is not what the log says: parley projections reconcile --conversation ${conversationId} --repair`,
      );
  },
  onProblem: (err) => {
    counts.failed();
    logger.warn({ err }, "a conversation's rows could not be compared with the log; the sample goes on with others");
  },
});
