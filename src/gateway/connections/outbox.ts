import { createMeasuredFrames, type Frame, type MeasuredFrames } from "./measured-frames.js";
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

/** What all outboxes have in common. */
type Shared = OutboxOptions & {
  /** Flushes the outbox with this turn of the event loop. */
  readonly schedule: (outbox: SocketOutbox) => void;
  readonly counted: () => void;
};

/** One scheduler for all sockets: a list of those with something to send, flushed once a tick. */
export const createOutboxes = (options: OutboxOptions): Outboxes => {
  let dirty: SocketOutbox[] = [];
  let frames = 0;

  const flush = () => {
    const flushing = dirty;
    dirty = [];
    options.metrics.framesQueued(frames);
    frames = 0;
    for (const outbox of flushing) outbox.flush();
  };
  const shared: Shared = {
    ...options,
    schedule: (outbox) => {
      // The check phase follows the poll phase in which frames and durable appends arrive: everything that one turn of
      // the event loop has caused is written together, and nothing waits for a timer.
      if (dirty.push(outbox) === 1) setImmediate(flush);
    },
    counted: () => frames++,
  };
  return { open: (pipe) => new SocketOutbox(pipe, shared) };
};

/**
 * A class, since there is one for each connection: its methods are all connections' together, where closures would be
 * some thirty objects and 2 KiB of each. For the same reason what only a busy or a closing one needs is made then.
 */
class SocketOutbox implements Outbox {
  private queue: MeasuredFrames | undefined = undefined;
  private state: State = "open";
  private greeted = false;
  private scheduled = false;
  private blocked = false;
  private farewell: { readonly code: number; readonly reason: string; readonly grace: NodeJS.Timeout } | undefined =
    undefined;

  constructor(
    private readonly pipe: Pipe,
    private readonly shared: Shared,
  ) {}

  send(frame: Frame, ephemeral?: boolean): void {
    if (this.state !== "open") return;
    const { counted, bytesMax, metrics } = this.shared;
    counted();
    if (ephemeral === true && this.staysBeyond(bytesMax * shedFrom)) {
      metrics.framesShed(1);
      return;
    }
    this.waiting().push(frame);
    if (!this.blocked && this.greeted) this.wake();
    if (this.staysBeyond(bytesMax)) {
      metrics.framesDropped(this.clear());
      this.close(closeCodes.slowConsumer.code, closeCodes.slowConsumer.reason);
    }
  }

  greet(frame: Frame): void {
    if (this.state !== "open") return;
    this.shared.counted();
    this.waiting().prepend(frame);
    this.greeted = true;
    this.wake();
  }

  close(code: number, reason: string, lastWords: readonly Frame[] = []): void {
    if (this.state !== "open") return;
    if (!this.greeted) this.clear();
    for (const frame of lastWords) {
      this.shared.counted();
      this.waiting().push(frame);
    }
    this.state = "closing";
    const grace = setTimeout(() => {
      this.terminate();
    }, this.shared.closeGraceMs);
    this.farewell = { code, reason, grace };
    this.wake();
  }

  isOpen(): boolean {
    return this.state === "open";
  }

  drained(): void {
    this.blocked = this.pipe.getBufferedAmount() > 0;
    if (!this.blocked) this.wake();
  }

  closed(): void {
    this.state = "closed";
    clearTimeout(this.farewell?.grace);
    this.clear();
  }

  bytes(): number {
    return (this.queue?.bytes() ?? 0) + this.buffered();
  }

  flush(): void {
    this.scheduled = false;
    if (this.state === "closed" || this.isHeld()) return;
    try {
      if (!this.blocked && this.queue !== undefined) {
        this.pipe.cork(() => {
          this.sendQueued();
        });
        // Within a cork `send` says 1 although the write that ends the cork may then fail.
        this.blocked = this.pipe.getBufferedAmount() > 0;
      }
      if (this.farewell !== undefined && !this.blocked && this.queue === undefined)
        this.pipe.end(this.farewell.code, this.farewell.reason);
    } catch (error) {
      this.shared.onError(error);
      this.terminate();
    }
  }

  private sendQueued(): void {
    // 0: buffered in the library, the last one for now. 2 (dropped by the library) cannot be: its bound is off.
    while (this.queue !== undefined && !this.blocked) {
      const frame = this.queue.shift();
      if (this.queue.peek() === undefined) this.queue = undefined;
      this.blocked = this.pipe.send(frame, false) !== 1;
    }
  }

  private isHeld(): boolean {
    return !this.greeted && this.state === "open";
  }

  private buffered(): number {
    return this.blocked && this.state !== "closed" ? this.pipe.getBufferedAmount() : 0;
  }

  private isBeyond(bytes: number): boolean {
    return (this.queue ?? nothing).exceeds(bytes - this.buffered());
  }

  /** A burst within one tick says nothing about the peer: what it can take leaves before it is called slow. */
  private staysBeyond(bytes: number): boolean {
    if (this.isBeyond(bytes) && !this.blocked) this.flush();
    return this.isBeyond(bytes);
  }

  private wake(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.shared.schedule(this);
  }

  private terminate(): void {
    if (this.state !== "closed") this.pipe.close();
  }

  /** There is a queue as long as there is something in it. */
  private waiting(): MeasuredFrames {
    return (this.queue ??= createMeasuredFrames());
  }

  private clear(): number {
    const count = this.queue?.clear() ?? 0;
    this.queue = undefined;
    return count;
  }
}

const nothing = createMeasuredFrames();
