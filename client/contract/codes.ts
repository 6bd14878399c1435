/**
 * The errors of PROTOCOL §8. `retry`: the same request, unchanged and with the same key, may succeed later; its error
 * always says when.
 */
export const errorCodes = {
  INVALID_MESSAGE: { status: 400, retry: false },
  UNAUTHORIZED: { status: 401, retry: false },
  FORBIDDEN: { status: 403, retry: false },
  CONVERSATION_NOT_FOUND: { status: 404, retry: false },
  MESSAGE_NOT_FOUND: { status: 404, retry: false },
  MEDIA_NOT_FOUND: { status: 404, retry: false },
  USER_NOT_FOUND: { status: 404, retry: false },
  NOT_FOUND: { status: 404, retry: false },
  METHOD_NOT_ALLOWED: { status: 405, retry: false },
  CONFLICT: { status: 409, retry: false },
  DUPLICATE_MESSAGE: { status: 409, retry: false },
  TOO_LARGE: { status: 413, retry: false },
  RATE_LIMITED: { status: 429, retry: true },
  INTERNAL: { status: 500, retry: false },
  UNAVAILABLE: { status: 503, retry: true },
} as const;

export type ErrorCodeOfServer = keyof typeof errorCodes;

/** What a client does when its connection was closed, in the words of PROTOCOL §3. */
export const advice = {
  fix: "fix the client",
  newToken: "new token",
  jitter: "reconnect, jittered",
  stay: "do not reconnect by itself",
  retryAfter: "after `retryAfter` of the last error",
  sync: "reconnect, sync",
  reconnectAfter: "reconnect after that",
} as const;

export type Advice = keyof typeof advice;

/** The codes with which the server closes a connection (PROTOCOL §3), its reason, and what the client does then. */
export const closeCodes = {
  protocolViolation: { code: 4400, reason: "protocol violation", then: "fix" },
  tokenExpired: { code: 4401, reason: "token expired", then: "newToken" },
  heartbeatLost: { code: 4408, reason: "heartbeat lost", then: "jitter" },
  replaced: { code: 4409, reason: "replaced by a newer connection of this device", then: "stay" },
  frameTooLarge: { code: 4413, reason: "frame too large", then: "fix" },
  flooding: { code: 4429, reason: "flooding", then: "retryAfter" },
  slowConsumer: { code: 4508, reason: "slow consumer", then: "sync" },
  draining: { code: 1012, reason: "draining", then: "reconnectAfter" },
} as const satisfies Record<string, { readonly code: number; readonly reason: string; readonly then: Advice }>;

export type CloseReason = keyof typeof closeCodes;

/** What a closed connection asks for; a code that is not the server's (1006 of a network that broke) is `jitter`. */
export const adviceOf = (code: number): Advice =>
  Object.values(closeCodes).find((close) => close.code === code)?.then ?? "jitter";
