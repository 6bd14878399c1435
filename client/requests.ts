import { ParleyError, errorFrom } from "./errors.js";
import type { Frame } from "./protocol.js";
import { assertFits, jsonOf } from "./json.js";
import type { Platform } from "./platform.js";

/** Requests over the socket, each with its one answer. */
export type Requests = {
  /**
   * Rejects with ParleyError: the server's, TIMEOUT, DISCONNECTED or OVERLOADED; TOO_LARGE instead of losing the connection
   * to it, INVALID_MESSAGE for what is no JSON.
   */
  readonly request: (type: string, payload: object) => Promise<Frame>;
  /** Whether the frame was the answer to a request. */
  readonly settle: (frame: Frame) => boolean;
  /** The connection is gone: no answer will come. */
  readonly failAll: (error: ParleyError) => void;
};

type Waiting = {
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: ParleyError) => void;
  readonly stopTimer: () => void;
};

/** More unanswered requests than this are a defect of the caller or a dead server. */
const requestsMax = 1000;

export function createRequests(
  platform: Platform,
  requestTimeoutMs: number,
  /** Bytes of a frame that the server takes. */
  frameBytesMax: () => number,
  /** false: there is no connection. */
  send: (text: string) => boolean,
): Requests {
  const waiting = new Map<string, Waiting>();
  let lastId = 0;

  const take = (id: string): Waiting | undefined => {
    const found = waiting.get(id);
    found?.stopTimer();
    waiting.delete(id);
    return found;
  };

  return {
    request: (type, payload) =>
      new Promise((resolve, reject) => {
        if (waiting.size >= requestsMax) {
          reject(new ParleyError("OVERLOADED", `${requestsMax} requests are unanswered`));
          return;
        }
        lastId += 1;
        const id = String(lastId);
        const text = jsonOf({ type, id, payload });
        assertFits(text, frameBytesMax());
        if (!send(text)) {
          reject(new ParleyError("DISCONNECTED", "there is no connection"));
          return;
        }
        const stopTimer = platform.startTimer(() => {
          take(id)?.reject(new ParleyError("TIMEOUT", `${type} had no answer within ${requestTimeoutMs} ms`));
        }, requestTimeoutMs);
        waiting.set(id, { resolve, reject, stopTimer });
      }),
    settle: (frame) => {
      const found = frame.id === undefined ? undefined : take(frame.id);
      if (found === undefined) return false;
      if (frame.type === "error") found.reject(errorFrom(frame.payload, "refused"));
      else found.resolve(frame);
      return true;
    },
    failAll: (error) => {
      for (const id of [...waiting.keys()]) take(id)?.reject(error);
    },
  };
}
