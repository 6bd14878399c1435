import { createMeasuredFrames, type Frame } from "./measured-frames.js";
import type { GatewayMetrics } from "../ports.js";
import { closeCodes } from "../protocol/codes.js";

/**
 * What waits for one socket. Frames that are queued during a tick leave together, in one write per socket: a frame then
 * costs a third of what it costs alone. While the peer takes nothing the queue waits here, bounded; beyond the bound the
 * socket is closed with 4508 and the device syncs. Nothing is dropped silently but typing and presence, which go first.
 * Before `greet` everything waits, within the same bound: what the bus brings between a connection's registration and
 * its `connected` comes after it.
 */
export type Outbox = {
  /**
   * JSON text, or its UTF-8 bytes where many sockets share one frame. An ephemeral one is shed, and counted as shed,
   * while the outbox is half full. Harmless after a close.
   */
  readonly send: (frame: Frame, ephemeral?: boolean) => void;
  /** Sends `connected` before all that waits for it; from then on frames go out as they come. */
  readonly greet: (frame: Frame) => void;
  /**
   * Sends what is queued, the last words and the close frame; a peer that takes nothing is cut after the grace. Before
   * the greeting what is queued goes nowhere: a client that may not come in gets the last words alone.
   */
  readonly close: (code: number, reason: string, lastWords?: readonly Frame[]) => void;
  /** False from the first `close` on: what the peer still says has no consequence any more. */
  readonly isOpen: () => boolean;
  /** The socket has room again. */
  readonly drained: () => void;
  /** The socket is gone: its owner must say so before anything else touches it. */
  readonly closed: () => void;
  /** Waiting, here and in the socket library. */
  readonly bytes: () => number;
};

/** The socket below; uWebSockets.js' fits as it is. None of it may be called after `closed`. */
export type Pipe = {
  readonly send: (frame: Frame, isBinary: boolean) => number;
  readonly cork: (work: () => void) => unknown;
  readonly getBufferedAmount: () => number;
  readonly end: (code: number, reason: string) => void;
  readonly close: () => void;
};

export type Outboxes = {
  readonly open: (pipe: Pipe) => Outbox;
  /** Of all sockets together, for the gauge. */
  readonly bytes: () => number;
};

export type OutboxOptions = {
  /** Per socket. */
  readonly bytesMax: number;
  /** How long a closing socket may take to accept what is queued. */
  readonly closeGraceMs: number;
  readonly metrics: Pick<GatewayMetrics, "framesQueued" | "framesDropped" | "framesShed">;
  /** A socket threw: it is cut, the others go on. */
  readonly onError: (error: unknown) => void;
};

/** What is only true for a moment must not push out what has to arrive: it is shed from this share of the bound on. */
const shedFrom = 0.5;

type State = "open" | "closing" | "closed";

/** One scheduler for all sockets: a list of those with something to send, flushed once a tick. */
export const createOutboxes = (options: OutboxOptions): Outboxes => {
  const open = new Set<Outbox>();
  let dirty: (() => void)[] = [];
  let frames = 0;

  const flush = () => {
    const flushing = dirty;
    dirty = [];
    options.metrics.framesQueued(frames);
    frames = 0;
    for (const each of flushing) each();
  };
  const schedule = (work: () => void) => {
    // The check phase follows the poll phase in which frames and durable appends arrive: everything that one turn of
    // the event loop has caused is written together, and nothing waits for a timer.
    if (dirty.push(work) === 1) setImmediate(flush);
  };

  return {
    open: (pipe) => {
      const outbox = createOutbox(
        pipe,
        options,
        schedule,
        () => frames++,
        () => open.delete(outbox),
      );
      open.add(outbox);
      return outbox;
    },
    bytes: () => {
      let sum = 0;
      for (const outbox of open) sum += outbox.bytes();
      return sum;
    },
  };
};

const createOutbox = (
  pipe: Pipe,
  options: OutboxOptions,
  schedule: (work: () => void) => void,
  counted: () => void,
  onClosed: () => void,
): Outbox => {
  const queue = createMeasuredFrames();
  let state: State = "open";
  let greeted = false;
  let scheduled = false;
  let blocked = false;
  let farewell = { code: 1000, reason: "" };
  let grace: NodeJS.Timeout | undefined;

  const isHeld = () => !greeted && state === "open";
  const buffered = () => (blocked && state !== "closed" ? pipe.getBufferedAmount() : 0);
  const sendQueued = () => {
    // 0: buffered in the library, the last one for now. 2 (dropped by the library) cannot be: its bound is off.
    while (queue.peek() !== undefined && !blocked) blocked = pipe.send(queue.shift(), false) !== 1;
  };
  const flush = () => {
    scheduled = false;
    if (state === "closed" || isHeld()) return;
    guarded(() => {
      if (!blocked && queue.peek() !== undefined) {
        pipe.cork(sendQueued);
        // Within a cork `send` says 1 although the write that ends the cork may then fail.
        blocked = pipe.getBufferedAmount() > 0;
      }
      if (state === "closing" && !blocked && queue.peek() === undefined) pipe.end(farewell.code, farewell.reason);
    });
  };
  const isBeyond = (bytes: number) => queue.exceeds(bytes - buffered());
  /** A burst within one tick says nothing about the peer: what it can take leaves before it is called slow. */
  const staysBeyond = (bytes: number) => {
    if (isBeyond(bytes) && !blocked) flush();
    return isBeyond(bytes);
  };
  const wake = () => {
    if (scheduled) return;
    scheduled = true;
    schedule(flush);
  };
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      options.onError(error);
      terminate();
    }
  };
  const terminate = () => {
    if (state !== "closed") pipe.close();
  };
  const close = (code: number, reason: string, lastWords: readonly Frame[] = []) => {
    if (state !== "open") return;
    if (!greeted) queue.clear();
    for (const frame of lastWords) {
      counted();
      queue.push(frame);
    }
    state = "closing";
    farewell = { code, reason };
    grace = setTimeout(terminate, options.closeGraceMs);
    wake();
  };

  return {
    send: (frame, ephemeral) => {
      if (state !== "open") return;
      counted();
      if (ephemeral === true && staysBeyond(options.bytesMax * shedFrom)) {
        options.metrics.framesShed(1);
        return;
      }
      queue.push(frame);
      if (!blocked && greeted) wake();
      if (staysBeyond(options.bytesMax)) {
        options.metrics.framesDropped(queue.clear());
        close(closeCodes.slowConsumer.code, closeCodes.slowConsumer.reason);
      }
    },
    greet: (frame) => {
      if (state !== "open") return;
      counted();
      queue.prepend(frame);
      greeted = true;
      wake();
    },
    close,
    isOpen: () => state === "open",
    drained: () => {
      blocked = pipe.getBufferedAmount() > 0;
      if (!blocked) wake();
    },
    closed: () => {
      state = "closed";
      clearTimeout(grace);
      queue.clear();
      onClosed();
    },
    bytes: () => queue.bytes() + buffered(),
  };
};
