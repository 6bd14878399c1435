import { errorCodes, type ErrorCodeOfServer } from "./contract/codes.js";
import { isRecord } from "./protocol.js";

/**
 * Codes that are made here: no answer in time, no connection (any more), the client was closed, the device connected
 * elsewhere (4409), a bound of this library is reached, the outbox's store failed, the server broke the protocol, the
 * caller's AbortSignal ended the waiting.
 */
type LocalCode = "TIMEOUT" | "DISCONNECTED" | "CLOSED" | "REPLACED" | "OVERLOADED" | "STORAGE" | "PROTOCOL" | "ABORTED";

/** The server's (PROTOCOL §8), and those that are made here. */
export type ErrorCode = ErrorCodeOfServer | LocalCode;

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

/** Whether a token is refused because its user was erased: no other token will do (PROTOCOL §5). */
export const isOfErasedUser = ({ code, details }: Pick<ParleyError, "code" | "details">): boolean =>
  code === "UNAUTHORIZED" && details?.some(({ field }) => field === "userId") === true;

type Again = "later" | "bounded" | "never";

/**
 * What becomes of a request that failed so, when it is sent again just as it is: `later` may succeed; `bounded` is a
 * defect of the server, worth a few attempts; `never` is refused for good. The server says which by asking to wait, or
 * not (PROTOCOL §8); the codes alone tell of what is made here, and of those that a proxy answers without saying more.
 */
export function retryable({ code, retryAfterMs }: Pick<ParleyError, "code" | "retryAfterMs">): Again {
  if (retryAfterMs !== undefined) return "later";
  if (!isServers(code)) return againOf[code];
  if (errorCodes[code].retry) return "later";
  // Of the connection, not of the message: the next connection has a new token.
  if (code === "UNAUTHORIZED") return "later";
  return code === "INTERNAL" ? "bounded" : "never";
}

const againOf: Readonly<Record<LocalCode, Again>> = {
  TIMEOUT: "later",
  DISCONNECTED: "later",
  OVERLOADED: "later", // our own bound: answers and time-outs make room
  PROTOCOL: "bounded",
  CLOSED: "never",
  REPLACED: "never",
  STORAGE: "never",
  ABORTED: "never",
};

const isServers = (code: unknown): code is ErrorCodeOfServer =>
  typeof code === "string" && Object.hasOwn(errorCodes, code);

/**
 * From an `error` frame's payload (`code`) or a REST body (`error`). A code that is not known here, or none at all, counts
 * as `otherwise`.
 */
export function errorFrom(body: unknown, fallback: string, otherwise: ErrorCode = "INTERNAL"): ParleyError {
  if (!isRecord(body)) return new ParleyError(otherwise, fallback);
  const named = body.code ?? body.error;
  const code = isServers(named) ? named : undefined;
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
  const meant = ofStatus[status];
  if (meant !== undefined) return meant;
  return (
    Object.keys(errorCodes)
      .filter(isServers)
      .find((code) => errorCodes[code].status === status) ?? "INTERNAL"
  );
}

/** Where a status has several codes, or is of proxies alone. */
const ofStatus: Readonly<Record<number, ErrorCode>> = {
  404: "NOT_FOUND",
  409: "CONFLICT",
  502: "UNAVAILABLE",
  504: "UNAVAILABLE",
};

const isDetail = (value: unknown): value is ErrorDetail =>
  isRecord(value) && typeof value.field === "string" && typeof value.expected === "string";

/** Whatever was thrown, as one of ours. */
export function asParleyError(thrown: unknown, code: ErrorCode, message: string): ParleyError {
  if (thrown instanceof ParleyError) return thrown;
  return new ParleyError(code, `${message}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
    cause: thrown,
  });
}
