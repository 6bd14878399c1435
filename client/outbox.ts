import { inTime } from "./abort.js";
import { fullJitterMs, type Backoff } from "./backoff.js";
import type { Me, PendingMessage } from "./conversation.js";
import { ParleyError, asParleyError, retryable } from "./errors.js";
import { copyOf } from "./json.js";
import { isStoredMessage, outboxKey, type OutboxStore, type StoredMessage } from "./outbox-store.js";
import type { Platform } from "./platform.js";
import { isMessageAck, type Frame, type MessageAck, type NewMessage } from "./protocol.js";

/**
 * Own messages until they are settled: by their ack (duplicate or not), by their own `message.new`, or by a refusal that
 * no repetition changes. Whatever else happens, they are sent again, oldest first, with the same key and content.
 */
export type Outbox = {
  /**
   * Rejects by `accepted` only: OVERLOADED when full, DUPLICATE_MESSAGE for a pending key with other content,
   * INVALID_MESSAGE for what is no JSON. What is sent is the message as it is now, whatever becomes of the object.
   */
  readonly send: (message: StoredMessage) => Promise<MessageAck>;
  /** Forgets a refused message. */
  readonly discard: (conversationId: string, clientMessageId: string) => void;
  /** The connection takes messages. */
  readonly start: () => void;
  /** It does not any more: what is in flight has an unknown outcome. */
  readonly stop: () => void;
  readonly onAck: (ack: MessageAck) => void;
  readonly onMessage: (message: NewMessage, me: Me) => void;
  /** Nothing will be sent any more; what is stored stays stored. */
  readonly close: (cause: ParleyError) => void;
  /** As `close`, and what is stored goes. */
  readonly forget: (cause: ParleyError) => void;
};

export type OutboxOptions = {
  readonly platform: Platform;
  readonly store: OutboxStore;
  readonly request: (type: string, payload: object) => Promise<Frame>;
  readonly backoff: Backoff;
  /** Messages that may wait; refused ones that were not discarded count, too. */
  readonly entriesMax: number;
  /** Messages under way at once. 1 keeps the order even when the server refuses one for a while. */
  readonly inFlightMax: number;
  /** What the store may take for an answer; beyond it the messages go out without. */
  readonly storeTimeoutMs: number;
  readonly onChange: (message: PendingMessage) => void;
  readonly onDiscard: (message: StoredMessage) => void;
  readonly onError: (error: ParleyError) => void;
};

type Entry = {
  readonly message: StoredMessage;
  readonly accepted: Promise<MessageAck>;
  readonly resolve: (ack: MessageAck) => void;
  readonly reject: (error: ParleyError) => void;
  phase: "storing" | "waiting" | "sent" | "failed" | "settled";
  attempts: number;
  defects: number;
};

/** Attempts at a message on which the server breaks down. */
const defectsMax = 5;

export function createOutbox(options: OutboxOptions): Outbox {
  const { platform } = options;
  /** Oldest first. */
  const entries = new Map<string, Entry>();
  let started = false;
  let closed = false;
  let forgotten = false;
  let restored = false;
  let inFlight = 0;
  let failuresInARow = 0;
  let stopPause: (() => void) | undefined;

  const enter = (entry: Entry, phase: Entry["phase"]): void => {
    inFlight += (phase === "sent" ? 1 : 0) - (entry.phase === "sent" ? 1 : 0);
    entry.phase = phase;
  };
  const show = (entry: Entry, status: PendingMessage["status"]): void => {
    options.onChange({ ...entry.message, status });
  };
  const report = (thrown: unknown): void => {
    options.onError(asParleyError(thrown, "STORAGE", "the outbox's store failed"));
  };
  /** Whatever the store does: throw, reject, never answer. It is an application's, and must not hold messages back. */
  const ask = <A>(work: () => Promise<A>): Promise<A> =>
    inTime(
      platform,
      new Promise<A>((resolve) => {
        resolve(work());
      }),
      options.storeTimeoutMs,
      () => new ParleyError("STORAGE", `the outbox's store has not answered within ${options.storeTimeoutMs} ms`),
    );
  const unstore = ({ conversationId, clientMessageId }: StoredMessage): void => {
    ask(() => options.store.remove(conversationId, clientMessageId)).catch(report);
  };
  const forget = (entry: Entry): void => {
    const { message } = entry;
    enter(entry, "settled");
    entries.delete(outboxKey(message.conversationId, message.clientMessageId));
    unstore(message);
  };

  const accept = (entry: Entry, ack: MessageAck): void => {
    failuresInARow = 0;
    forget(entry);
    show(entry, { kind: "accepted", ack });
    entry.resolve(ack);
    flush();
  };
  const fail = (entry: Entry, error: ParleyError): void => {
    enter(entry, "failed");
    unstore(entry.message);
    show(entry, { kind: "failed", error });
    entry.reject(error);
    flush();
  };

  /** Everything waits, not just the one that failed: the oldest has to go first. */
  const pause = (error: ParleyError): void => {
    if (stopPause !== undefined || !started) return;
    const jitterMs = fullJitterMs(options.backoff, failuresInARow, platform.random);
    failuresInARow += 1;
    stopPause = platform.startTimer(
      () => {
        stopPause = undefined;
        flush();
      },
      (error.retryAfterMs ?? 0) + jitterMs,
    );
  };

  const onFailure = (entry: Entry, error: ParleyError): void => {
    if (entry.phase !== "sent") return; // settled meanwhile, or already waiting for the next connection
    const again = retryable(error);
    if (again === "bounded") entry.defects += 1;
    if (again === "never" || entry.defects >= defectsMax) {
      fail(entry, error);
      return;
    }
    enter(entry, "waiting");
    show(entry, { kind: "waiting" });
    pause(error);
  };

  const transmit = (key: string, entry: Entry): void => {
    enter(entry, "sent");
    entry.attempts += 1;
    show(entry, { kind: "sent" });
    const attempt = entry.attempts;
    options.request("message.send", entry.message).then(
      (answer) => {
        if (!isMessageAck(answer)) {
          const error = new ParleyError("PROTOCOL", "the answer to a message is no acknowledgement");
          if (attempt === entry.attempts) onFailure(entry, error);
        } else if (entries.get(key) === entry && entry.phase !== "failed") accept(entry, answer.payload as MessageAck);
      },
      (thrown: unknown) => {
        // An older attempt's failure says nothing about the one that is under way.
        if (attempt === entry.attempts) onFailure(entry, asParleyError(thrown, "DISCONNECTED", "not sent"));
      },
    );
  };

  const flush = (): void => {
    if (!started || closed || !restored || stopPause !== undefined) return;
    for (const [key, entry] of entries) {
      if (inFlight >= options.inFlightMax || entry.phase === "storing") return;
      if (entry.phase !== "waiting") continue;
      transmit(key, entry);
    }
  };

  const add = (message: StoredMessage, phase: Entry["phase"]): Entry => {
    let resolve: Entry["resolve"] = () => undefined;
    let reject: Entry["reject"] = () => undefined;
    const accepted = new Promise<MessageAck>((onAccepted, onRejected) => {
      resolve = onAccepted;
      reject = onRejected;
    });
    // The `pending` event tells failures as well: not looking at the promise must not end the process.
    accepted.catch(() => undefined);
    const entry: Entry = { message, accepted, resolve, reject, phase, attempts: 0, defects: 0 };
    entries.set(outboxKey(message.conversationId, message.clientMessageId), entry);
    show(entry, { kind: "waiting" });
    return entry;
  };

  /** Messages of this run that were faster than the store come behind those of an earlier one. */
  const takeOver = (stored: unknown): void => {
    if (closed && !forgotten) return;
    if (!Array.isArray(stored)) throw new ParleyError("STORAGE", "the outbox's store gave no list");
    if (forgotten) {
      for (const message of stored as readonly unknown[]) if (isStoredMessage(message)) unstore(message);
      return;
    }
    const newer = new Map(entries);
    entries.clear();
    for (const message of stored as readonly unknown[]) {
      if (!isStoredMessage(message)) {
        report(new ParleyError("STORAGE", "the outbox's store has an entry that is no message"));
        continue;
      }
      const key = outboxKey(message.conversationId, message.clientMessageId);
      // Whether it was sent before is unknown: its acceptance may be an old one.
      if (!newer.has(key)) add(message, "waiting").attempts = 1;
    }
    for (const [key, entry] of newer) entries.set(key, entry);
  };
  // Also when it comes too late for the first messages.
  ask(async () => {
    takeOver(await options.store.load());
    flush();
  })
    .catch(report)
    .finally(() => {
      restored = true;
      flush();
    });

  const close = (cause: ParleyError): void => {
    closed = true;
    stopPause?.();
    for (const entry of entries.values()) if (entry.phase !== "failed") entry.reject(cause);
  };

  return {
    send: (given) => {
      if (closed) return rejected(new ParleyError("CLOSED", "the client was closed"));
      let message: StoredMessage;
      try {
        message = copyOf(given);
      } catch (thrown) {
        return rejected(asParleyError(thrown, "INVALID_MESSAGE", "the message"));
      }
      const key = outboxKey(message.conversationId, message.clientMessageId);
      const known = entries.get(key);
      if (known !== undefined && known.phase !== "failed") {
        if (JSON.stringify(known.message) === JSON.stringify(message)) return known.accepted;
        return rejected(new ParleyError("DUPLICATE_MESSAGE", "this key is pending with other content"));
      }
      if (entries.size - (known === undefined ? 0 : 1) >= options.entriesMax) {
        return rejected(new ParleyError("OVERLOADED", `${options.entriesMax} messages are waiting`));
      }
      entries.delete(key);
      const entry = add(message, "storing");
      ask(() => options.store.put(message))
        .catch(report)
        .finally(() => {
          if (forgotten) unstore(message);
          if (entry.phase === "storing") enter(entry, "waiting");
          flush();
        });
      return entry.accepted;
    },
    discard: (conversationId, clientMessageId) => {
      const entry = entries.get(outboxKey(conversationId, clientMessageId));
      if (entry?.phase !== "failed") return;
      forget(entry);
      options.onDiscard(entry.message);
    },
    start: () => {
      started = true;
      failuresInARow = 0;
      flush();
    },
    stop: () => {
      started = false;
      stopPause?.();
      stopPause = undefined;
      for (const entry of entries.values()) {
        if (entry.phase !== "sent") continue;
        enter(entry, "waiting");
        show(entry, { kind: "waiting" });
      }
    },
    onAck: (ack) => {
      const entry = entries.get(outboxKey(ack.conversationId, ack.clientMessageId));
      if (entry !== undefined && entry.phase !== "failed") accept(entry, ack);
    },
    onMessage: (message, me) => {
      if (message.clientMessageId === undefined) return;
      if (message.senderId !== me.userId || message.senderDeviceId !== me.deviceId) return;
      const entry = entries.get(outboxKey(message.conversationId, message.clientMessageId));
      if (entry === undefined) return;
      const { clientMessageId, messageId, conversationId, sequence, pos, timestamp } = message;
      const duplicate = entry.attempts > 1;
      accept(entry, { clientMessageId, messageId, conversationId, sequence, pos, timestamp, duplicate });
    },
    close,
    forget: (cause) => {
      close(cause);
      forgotten = true;
      for (const entry of entries.values()) forget(entry);
    },
  };
}

function rejected(error: ParleyError): Promise<MessageAck> {
  const promise = Promise.reject<MessageAck>(error);
  promise.catch(() => undefined);
  return promise;
}
