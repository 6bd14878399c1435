import { isRecord } from "./protocol.js";

/** Codes of the server (PROTOCOL §8). */
const serverCodes = [
  "INVALID_MESSAGE",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "CONVERSATION_NOT_FOUND",
  "MESSAGE_NOT_FOUND",
  "MEDIA_NOT_FOUND",
  "USER_NOT_FOUND",
  "NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "CONFLICT",
  "DUPLICATE_MESSAGE",
  "TOO_LARGE",
  "RATE_LIMITED",
  "INTERNAL",
  "UNAVAILABLE",
] as const;

/**
 * And those that are made here: no answer in time, no connection (any more), the client was closed, the device connected
 * elsewhere (4409), a bound of this library is reached, the outbox's store failed, the server broke the protocol, the
 * caller's AbortSignal ended the waiting.
 */
export type ErrorCode =
  | (typeof serverCodes)[number]
  | "TIMEOUT"
  | "DISCONNECTED"
  | "CLOSED"
  | "REPLACED"
  | "OVERLOADED"
  | "STORAGE"
  | "PROTOCOL"
  | "ABORTED";

export type ErrorDetail = { readonly field: string; readonly expected: string };

/** Every failure of this library. `retryAfterMs` in milliseconds, as long as the server asks to wait. */
export class ParleyError extends Error {
  readonly retryAfterMs?: number;
  readonly details?: readonly ErrorDetail[];

  constructor(
    readonly code: ErrorCode,
    message: string,
    more: { retryAfterMs?: number; details?: readonly ErrorDetail[]; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "ParleyError";
    if (more.retryAfterMs !== undefined) this.retryAfterMs = more.retryAfterMs;
    if (more.details !== undefined) this.details = more.details;
  }
}

/**
 * What becomes of a request that failed so, when it is sent again just as it is: `later` may succeed; `bounded` is a
 * defect of the server, worth a few attempts; `never` is refused for good. The server says which by asking to wait, or
 * not (PROTOCOL §8); the codes alone tell of what is made here, and of those that a proxy answers without saying more.
 */
export function retryable({
  code,
  retryAfterMs,
}: Pick<ParleyError, "code" | "retryAfterMs">): "later" | "bounded" | "never" {
  if (retryAfterMs !== undefined) return "later";
  switch (code) {
    case "UNAVAILABLE":
    case "RATE_LIMITED":
    case "TIMEOUT":
    case "DISCONNECTED":
    case "OVERLOADED": // our own bound: answers and time-outs make room
    case "UNAUTHORIZED": // of the connection, not of the message: the next connection has a new token
      return "later";
    case "INTERNAL":
    case "PROTOCOL":
      return "bounded";
    case "CONFLICT":
    case "INVALID_MESSAGE":
    case "FORBIDDEN":
    case "CONVERSATION_NOT_FOUND":
    case "MESSAGE_NOT_FOUND":
    case "MEDIA_NOT_FOUND":
    case "USER_NOT_FOUND":
    case "NOT_FOUND":
    case "METHOD_NOT_ALLOWED":
    case "DUPLICATE_MESSAGE":
    case "TOO_LARGE":
    case "CLOSED":
    case "REPLACED":
    case "STORAGE":
    case "ABORTED":
      return "never";
  }
}

/**
 * From an `error` frame's payload (`code`) or a REST body (`error`). A code that is not known here, or none at all, counts
 * as `otherwise`.
 */
export function errorFrom(body: unknown, fallback: string, otherwise: ErrorCode = "INTERNAL"): ParleyError {
  if (!isRecord(body)) return new ParleyError(otherwise, fallback);
  const named = body.code ?? body.error;
  const code = serverCodes.find((known) => known === named);
  const message = typeof body.message === "string" ? body.message : fallback;
  const { details } = body;
  const retryAfterMs = millisecondsOf(body.retryAfter, 1000);
  return new ParleyError(code ?? otherwise, code === undefined ? `${String(named)}: ${message}` : message, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(Array.isArray(details) ? { details: details.filter(isDetail) } : {}),
  });
}

/** How long a server asks to wait; undefined for what is no such thing. */
export const millisecondsOf = (value: unknown, unitMs: number): number | undefined =>
  typeof value === "number" && value >= 0 ? value * unitMs : undefined;

/** What an HTTP status says where the body does not: it comes from a proxy then. */
export function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 400:
      return "INVALID_MESSAGE";
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 405:
      return "METHOD_NOT_ALLOWED";
    case 409:
      return "CONFLICT";
    case 413:
      return "TOO_LARGE";
    case 429:
      return "RATE_LIMITED";
    case 502:
    case 503:
    case 504:
      return "UNAVAILABLE";
    default:
      return "INTERNAL";
  }
}

const isDetail = (value: unknown): value is ErrorDetail =>
  isRecord(value) && typeof value.field === "string" && typeof value.expected === "string";

/** Whatever was thrown, as one of ours. */
export function asParleyError(thrown: unknown, code: ErrorCode, message: string): ParleyError {
  if (thrown instanceof ParleyError) return thrown;
  return new ParleyError(code, `${message}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
    cause: thrown,
  });
}
