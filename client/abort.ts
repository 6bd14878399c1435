import { ParleyError } from "./errors.js";
import type { Platform } from "./platform.js";

/** Of a call that waits. */
export type CallOptions = {
  /**
   * Ends the waiting: the call rejects with ABORTED, its `cause` the signal's reason. What was sent was sent: whether the
   * server did it is unknown then.
   */
  readonly signal?: AbortSignal | undefined;
};

/** The promise, or a rejection with ABORTED as soon as the signal aborts. Leaves no listener behind. */
export function abortable<A>(promise: Promise<A>, { signal }: CallOptions): Promise<A> {
  if (signal === undefined) return promise;
  return new Promise<A>((resolve, reject) => {
    const abort = (): void => {
      reject(abortedBy(signal));
    };
    // Also when it is too late for the caller: a rejection that no caller awaits must not end the process.
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
}

/** The promise, or a rejection with `late()` after `ms`. What it stands for goes on then, and the caller waits for it no more. */
export function inTime<A>(platform: Platform, promise: Promise<A>, ms: number, late: () => ParleyError): Promise<A> {
  return new Promise<A>((resolve, reject) => {
    const stopTimer = platform.startTimer(() => {
      reject(late());
    }, ms);
    promise.then(resolve, reject).finally(stopTimer);
  });
}

export const abortedBy = (signal: AbortSignal): ParleyError =>
  new ParleyError("ABORTED", "the caller gave up waiting", { cause: signal.reason });
