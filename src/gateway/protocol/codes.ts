import { gatewayLimits } from "../limits.js";
import type { FieldProblem, RejectionCode } from "../../domain/rejections.js";

/**
 * Every code on the wire: PROTOCOL §8's errors with their HTTP status, §3's close codes with what a client does next.
 * `retry`: the same request, unchanged and with the same key, may succeed later; its error always says when.
 */
export const errorCodes = {
  INVALID_MESSAGE: { status: 400, retry: false },
  UNAUTHORIZED: { status: 401, retry: false },
  FORBIDDEN: { status: 403, retry: false },
  CONVERSATION_NOT_FOUND: { status: 404, retry: false },
  MESSAGE_NOT_FOUND: { status: 404, retry: false },
  USER_NOT_FOUND: { status: 404, retry: false },
  NOT_FOUND: { status: 404, retry: false },
  METHOD_NOT_ALLOWED: { status: 405, retry: false },
  CONFLICT: { status: 409, retry: false },
  DUPLICATE_MESSAGE: { status: 409, retry: false },
  TOO_LARGE: { status: 413, retry: false },
  RATE_LIMITED: { status: 429, retry: true },
  INTERNAL: { status: 500, retry: false },
  UNAVAILABLE: { status: 503, retry: true },
} as const satisfies Record<RejectionCode | (string & {}), { status: number; retry: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

export const closeCodes = {
  protocolViolation: { code: 4400, reason: "protocol violation", reconnect: "after a fix" },
  tokenExpired: { code: 4401, reason: "token expired", reconnect: "with a new token" },
  heartbeatLost: { code: 4408, reason: "heartbeat lost", reconnect: "with jitter" },
  replaced: { code: 4409, reason: "replaced by a newer connection of this device", reconnect: "never by itself" },
  frameTooLarge: { code: 4413, reason: "frame too large", reconnect: "after a fix" },
  flooding: { code: 4429, reason: "flooding", reconnect: "after retryAfter" },
  slowConsumer: { code: 4508, reason: "slow consumer", reconnect: "then sync" },
  draining: { code: 1012, reason: "draining", reconnect: "after reconnectAfterMs" },
} as const;

export type CloseReason = keyof typeof closeCodes;

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
