import { fullJitterMs, type Backoff } from "./backoff.js";
import { ParleyError, asParleyError, retryable } from "./errors.js";
import type { Platform } from "./platform.js";
import type { Frame } from "./protocol.js";

/** Own cursors, until the server has them. One entry a conversation and kind, whatever the number of messages. */
export type Receipts = {
  /** A cursor at or below an earlier one changes nothing. */
  readonly mark: (kind: ReceiptKind, conversationId: string, upToSequence: number) => void;
  readonly start: () => void;
  readonly stop: () => void;
  /** Another epoch: sequences of the old one mean nothing. */
  readonly clear: () => void;
};
export type ReceiptKind = "delivered" | "read";

export type ReceiptsOptions = {
  readonly platform: Platform;
  readonly request: (type: string, payload: object) => Promise<Frame>;
  readonly backoff: Backoff;
  /** Cursors that move within this time go out together. Milliseconds. */
  readonly coalesceMs: number;
  readonly onError: (error: ParleyError) => void;
};

/** As many as the server takes in a frame. */
const cursorsMax = 100;
/** Attempts in a row at a batch on which the server breaks down. */
const defectsMax = 5;

export function createReceipts(options: ReceiptsOptions): Receipts {
  const senders = {
    delivered: createSender("message.delivered", options),
    read: createSender("message.read", options),
  };
  return {
    mark: (kind, conversationId, upToSequence) => {
      if (!Number.isSafeInteger(upToSequence)) {
        options.onError(new ParleyError("INVALID_MESSAGE", `${upToSequence} is no sequence to have ${kind} up to`));
        return;
      }
      senders[kind].mark(conversationId, upToSequence);
      // Read implies delivered: the server raises both, so ours need not be sent.
      if (kind === "read") senders.delivered.settle(conversationId, upToSequence);
    },
    start: () => {
      senders.delivered.start();
      senders.read.start();
    },
    stop: () => {
      senders.delivered.stop();
      senders.read.stop();
    },
    clear: () => {
      senders.delivered.clear();
      senders.read.clear();
    },
  };
}

function createSender(type: string, options: ReceiptsOptions) {
  /** To be sent, or sent and not acknowledged. */
  const unsettled = new Map<string, number>();
  /** Highest ever marked: what is at or below it was sent or waits. */
  const marked = new Map<string, number>();
  let started = false;
  let busy = false;
  let failures = 0;
  let batchMax = cursorsMax;
  let stopTimer: (() => void) | undefined;

  const isStarted = (): boolean => started; // asked again after awaits
  const settle = (conversationId: string, upToSequence: number): void => {
    const waiting = unsettled.get(conversationId);
    if (waiting !== undefined && waiting <= upToSequence) unsettled.delete(conversationId);
    if ((marked.get(conversationId) ?? 0) < upToSequence) marked.set(conversationId, upToSequence);
  };

  const onRefused = (error: ParleyError, batch: readonly (readonly [string, number])[]): number => {
    const again = retryable(error);
    if (again === "later" || (again === "bounded" && failures < defectsMax)) {
      failures += 1;
      return (error.retryAfterMs ?? 0) + fullJitterMs(options.backoff, failures, options.platform.random);
    }
    // One bad cursor refuses its whole batch: send them one by one to find it, and give up that one alone.
    if (batch.length > 1) {
      batchMax = 1;
      return 0;
    }
    for (const [conversationId, upToSequence] of batch) {
      settle(conversationId, upToSequence);
      // It was wrong: one below it may be right.
      if (marked.get(conversationId) === upToSequence) marked.delete(conversationId);
    }
    options.onError(error);
    return 0;
  };

  const flush = async (): Promise<void> => {
    if (busy || !started || unsettled.size === 0) return;
    busy = true;
    const batch = [...unsettled].slice(0, batchMax);
    let delayMs = options.coalesceMs;
    try {
      const cursors = batch.map(([conversationId, upToSequence]) => ({ conversationId, upToSequence }));
      await options.request(type, { cursors });
      failures = 0;
      for (const [conversationId, upToSequence] of batch) settle(conversationId, upToSequence);
    } catch (thrown) {
      // Without a connection there is nothing to judge: the next one sends the cursors again.
      if (isStarted()) delayMs = onRefused(asParleyError(thrown, "DISCONNECTED", "receipts were not sent"), batch);
    } finally {
      busy = false;
    }
    if (unsettled.size === 0) batchMax = cursorsMax;
    else schedule(delayMs);
  };

  const schedule = (delayMs: number): void => {
    if (!started || busy || stopTimer !== undefined) return;
    stopTimer = options.platform.startTimer(() => {
      stopTimer = undefined;
      void flush();
    }, delayMs);
  };

  return {
    settle,
    mark: (conversationId: string, upToSequence: number): void => {
      if (upToSequence <= (marked.get(conversationId) ?? 0)) return;
      marked.set(conversationId, upToSequence);
      unsettled.set(conversationId, upToSequence);
      schedule(options.coalesceMs);
    },
    start: (): void => {
      started = true;
      failures = 0;
      if (unsettled.size > 0) schedule(0);
    },
    stop: (): void => {
      started = false;
      stopTimer?.();
      stopTimer = undefined;
    },
    clear: (): void => {
      unsettled.clear();
      marked.clear();
    },
  };
}
