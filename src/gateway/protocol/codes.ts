import { errorCodes as codesOfAll, type ErrorCodeOfServer } from "../../../client/contract/codes.js";
import { gatewayLimits } from "../limits.js";
import type { FieldProblem } from "../../domain/rejections.js";
import type { Built } from "./not-built.js";

export { closeCodes, type CloseReason } from "../../../client/contract/codes.js";

/** Those that this server answers with. The table is the client library's, too. */
export type ErrorCode = Built<ErrorCodeOfServer>;
export const errorCodes: Readonly<Record<ErrorCode, { readonly status: number; readonly retry: boolean }>> = codesOfAll;

/** A refusal of any kind: what a command's `Rejection` is, with the codes that only the gateway gives. */
export type Failure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: readonly FieldProblem[];
  /** Seconds. */
  readonly retryAfter?: number;
  /** Of RATE_LIMITED: which. */
  readonly limit?: string;
};

/** A refusal that says when to come back where a repetition may succeed, and else leaves `retryAfter` out. */
export const withRetryAfter = (failure: Failure): Failure =>
  errorCodes[failure.code].retry && failure.retryAfter === undefined
    ? { ...failure, retryAfter: gatewayLimits.retryAfterS }
    : failure;
