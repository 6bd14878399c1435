import type { HttpResponse } from "../ports.js";
import type { NativeResponse } from "./native.js";

/**
 * One answer to one request, whatever happens: a native response may be touched until it was ended or aborted, and
 * touching it later throws. The holder of an `Answering` need not know.
 */
export type Answering = {
  /**
   * The first answer counts; false when the client is gone or has been answered. One that closes the connection leaves
   * after the handler: within it the library would go on with whatever else the packet holds, as requests of a connection
   * that stays open. So such a request has no effect; it may cost this one its answer.
   */
  readonly answer: (response: HttpResponse, closeConnection?: boolean) => boolean;
  /** Runs `work`, which upgrades, while the response lives, as its last use. False when it does not. */
  readonly upgrade: (work: () => void) => boolean;
  /** Cuts the connection without an answer. */
  readonly cut: () => void;
  readonly alive: () => boolean;
};

/** To be called before anything else in a handler: without `onAborted` the library ends the process. */
export const createAnswering = (native: NativeResponse, isHead: boolean, onAborted: () => void): Answering => {
  let alive = true;
  let gone = false;
  native.onAborted(() => {
    alive = false;
    gone = true;
    onAborted();
  });
  const last = (work: () => void): boolean => {
    if (!alive) return false;
    alive = false;
    work();
    return true;
  };
  return {
    answer: (response, closeConnection = false) =>
      last(() => {
        const leave = () => {
          if (gone) return;
          native.cork(() => {
            write(native, response, isHead, closeConnection);
          });
        };
        if (closeConnection) setImmediate(leave);
        else leave();
      }),
    // Never in `cork`: when that ends after an upgrade it may take the WebSocket for the response that it was, read its
    // memory as a response's and, as it happens to be, close it: seen with one connection in ten on a busy machine.
    upgrade: last,
    cut: () => {
      // `close` calls the abort handler, which ends this answering.
      if (alive) native.close();
    },
    alive: () => alive,
  };
};

const write = (native: NativeResponse, response: HttpResponse, isHead: boolean, closeConnection: boolean) => {
  native.writeStatus(`${response.status} ${reasons[response.status] ?? "Unknown"}`);
  const headers = { ...(response.body === undefined ? {} : jsonType), ...lowerCased(response.headers) };
  for (const [name, value] of Object.entries(headers)) native.writeHeader(name, value);
  const mayHaveBody = response.status >= 200 && response.status !== 204 && response.status !== 304;
  if (mayHaveBody && !isHead) native.end(response.body ?? "", closeConnection);
  // Of these two the library must be told no length but 0: it would wait for as many bytes, and neither close the
  // connection nor take another request on it. A HEAD's length is a header of our own therefore, and missing where the
  // connection is closed. (Without arguments no length is announced; undefined would be read as one, of 2^63 bytes.)
  else if (closeConnection) native.endWithoutBody(0, true);
  else {
    if (mayHaveBody) native.writeHeader("content-length", String(Buffer.byteLength(response.body ?? "")));
    native.endWithoutBody();
  }
};

const jsonType = { "content-type": "application/json; charset=utf-8" };

/** A CR or LF in a header's value would be a header, or an answer, of its own: nothing but text passes. */
const lowerCased = (headers: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.replace(/[^\t\x20-\x7e]/g, "")]),
  );

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  302: "Found",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** PROTOCOL §8's body, for the refusals that come before there is a handler to ask. */
export const errorResponse = (
  status: number,
  code:
    "INVALID_MESSAGE" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "UNAVAILABLE" | "INTERNAL",
  message: string,
  retryAfterSeconds?: number,
): HttpResponse =>
  retryAfterSeconds === undefined
    ? { status, body: JSON.stringify({ error: code, message }) }
    : {
        status,
        headers: { "retry-after": String(retryAfterSeconds) },
        body: JSON.stringify({ error: code, message, retryAfter: retryAfterSeconds }),
      };
