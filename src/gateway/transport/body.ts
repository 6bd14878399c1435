import type { NativeResponse } from "./native.js";

/** A request's body as it comes in. */
export type IncomingBody = {
  /** Rejects when the client goes before the end, `BodyTooSlow` when it takes longer than `msMax` from this call on. */
  readonly whole: () => Promise<Buffer | "too_large">;
  /**
   * Resolves when the client has sent everything, true; or when waiting for it is not worth it, false: then the
   * connection has to be closed with the answer. An answer amid an upload is lost when the connection is reset. From this
   * call on nothing of the body is kept.
   */
  readonly drained: () => Promise<boolean>;
  readonly aborted: () => void;
};

export type BodyLimits = {
  /** What is kept. */
  readonly bytesMax: number;
  /** From the moment at which a handler waits for it, until it is whole. */
  readonly msMax: number;
  /** What is read and thrown away so that the client, which reads only when it has sent, sees the refusal. */
  readonly discardedBytesMax: number;
  readonly discardMsMax: number;
};

/**
 * To be called while the handler runs: what arrives before there is a reader is lost. A chunked body is whole a turn after
 * its last chunk: of a trailer behind it the library says within the turn that it refuses the request, and then nothing
 * of it may be done.
 */
export const readBody = (native: NativeResponse, limits: BodyLimits, isChunked: boolean): IncomingBody => {
  let chunks: Buffer[] = [];
  let bytes = 0;
  /** It is too large, or no handler wants it any more. */
  let unwanted = false;
  const kept = deferred<Buffer | "too_large">();
  const ended = deferred<boolean>();

  const whole = () => {
    kept.resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
  };
  native.onData((chunk, isLast) => {
    bytes += chunk.byteLength;
    if (bytes > limits.bytesMax && !unwanted) {
      unwanted = true;
      chunks = [];
      kept.resolve("too_large");
    }
    // The chunk is emptied when this returns: it has to be copied.
    if (!unwanted && chunk.byteLength > 0) chunks.push(Buffer.from(chunk.slice(0)));
    if (isLast) {
      if (isChunked) setImmediate(whole);
      else whole();
      ended.resolve(true);
    } else if (bytes > limits.bytesMax + limits.discardedBytesMax) ended.resolve(false);
  });

  return {
    whole: () => {
      const timer = setTimeout(() => {
        kept.reject(new BodyTooSlow());
      }, limits.msMax);
      return kept.promise.finally(() => {
        clearTimeout(timer);
      });
    },
    drained: () => {
      unwanted = true;
      chunks = [];
      const timer = setTimeout(() => {
        ended.resolve(false);
      }, limits.discardMsMax);
      return ended.promise.finally(() => {
        clearTimeout(timer);
      });
    },
    aborted: () => {
      chunks = [];
      kept.reject(new ClientGone());
      ended.resolve(false);
    },
  };
};

/** The client trickles: the handler waits for the rest no longer, and its connection is of no use to the next request. */
export class BodyTooSlow extends Error {
  constructor() {
    super("The body did not come in time.");
    this.name = "BodyTooSlow";
  }
}

/** The client closed the connection before its request was complete: there is no one left to answer. */
export class ClientGone extends Error {
  constructor() {
    super("The client went away before its request was complete.");
    this.name = "ClientGone";
  }
}

const deferred = <A>() => {
  let resolve: (value: A) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<A>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  // A body that no handler asks for may fail without a listener.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
};
