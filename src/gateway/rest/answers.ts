import type { HttpResponse } from "../ports.js";
import { errorCodes, withRetryAfter, type Failure } from "../protocol/codes.js";

/** Answers depend on the caller and on the moment: no cache may keep them. */
const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" };

export const json = (status: number, body: unknown): HttpResponse => ({ status, headers, body: JSON.stringify(body) });

export const noContent = (extra: Readonly<Record<string, string>> = {}): HttpResponse => ({
  status: 204,
  headers: { "cache-control": "no-store", ...extra },
});

/** PROTOCOL §8's body. `extra`: headers that a code asks for. */
export const refusal = (failure: Failure, extra: Readonly<Record<string, string>> = {}): HttpResponse => {
  const { code, ...rest } = withRetryAfter(failure);
  const retry: Record<string, string> = rest.retryAfter === undefined ? {} : { "retry-after": String(rest.retryAfter) };
  return {
    status: errorCodes[code].status,
    headers: { ...headers, ...retry, ...extra },
    body: JSON.stringify({ error: code, ...rest }),
  };
};
