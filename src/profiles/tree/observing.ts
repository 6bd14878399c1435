import type { Logger } from "../../gateway/ports.js";
import type { Telemetry } from "../../infra/telemetry.js";
import { asError } from "../../lib/errors.js";
import { NotWhatWasSigned, type KeptTree } from "./keeping.js";

export const observeTree = (
  telemetry: Pick<Telemetry, "gauge">,
  kept: Pick<KeptTree, "checkpoint" | "signedSize">,
): void => {
  telemetry.gauge(
    "parley_tree_leaves",
    "Events of the log that this process's tree has hashed.",
    () => kept.checkpoint()?.size ?? 0,
  );
  telemetry.gauge(
    "parley_tree_signed_leaves",
    "Size of the newest signed head that this process knows.",
    kept.signedSize,
  );
};

/** Each reason is in the log once; the metric counts every time. */
export const onTreeProblem = (telemetry: Pick<Telemetry, "counter">, logger: Logger): ((error: unknown) => void) => {
  const failures = telemetry.counter(
    "parley_tree_failures_total",
    "Times that the tree could not go on, or a head not be signed; it is tried again.",
  );
  let said: string | undefined;
  return (thrown) => {
    failures(1);
    const error = asError(thrown);
    if (said === error.message) return;
    said = error.message;
    const level = error instanceof NotWhatWasSigned ? "error" : "warn";
    logger[level]({ err: error }, "the tree over the log does not go on; accepting and delivery do");
  };
};

/** Auditors who trust the old key have to be given the new one: the operator hears of it once. */
export const onLostKey =
  (logger: Pick<Logger, "error">) =>
  (lost: string, next: string): void => {
    logger.error(
      { lost, next },
      "the key that signed the tree's heads is not here any more: a new one signs from now on, and nothing links the two. Give auditors the new public key as well (parley audit head --public-key FILE)",
    );
  };
