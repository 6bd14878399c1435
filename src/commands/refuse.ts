import { asError } from "../lib/errors.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { reject, type Rejection } from "../domain/rejections.js";
import { LogError } from "./ports.js";

/** What waits for an answer. */
export type Refusable = {
  readonly settle: (outcome: Either<Rejection, never>) => void;
  readonly fail: (error: Error) => void;
};

/** The log's own refusals are answers; anything else is a defect, which the caller reports as one. */
export const refuse = (job: Refusable, error: unknown): void => {
  if (!(error instanceof LogError)) {
    job.fail(asError(error));
    return;
  }
  switch (error.code) {
    case "UNAVAILABLE":
      job.settle(E.left(cannotAccept));
      return;
    case "OUTCOME_UNKNOWN":
      job.settle(E.left(neverAnswered));
      return;
    case "TOO_LARGE":
      job.settle(E.left(reject("TOO_LARGE", "The change does not fit into one append.")));
  }
};

/** The only UNAVAILABLE after which it may have been written nevertheless. */
const neverAnswered: Rejection = {
  ...reject("UNAVAILABLE", "The log has not said whether it took this. Retry with the same key, or look first."),
  retryAfter: 5,
};

const cannotAccept: Rejection = {
  ...reject("UNAVAILABLE", "The log cannot accept now. Retry with the same key."),
  retryAfter: 1,
};
