import { LogError } from "../../../commands/ports.js";
import type { RecordedEvent } from "../../../domain/kernel/stream.js";
import type { ReadRequest, ToLog } from "./wire.js";

/**
 * Reads that the log's thread answers one after another, in the order in which they are sent. Only a few of those that can
 * wait are sent at a time: whatever else is asked for meanwhile goes before the rest, and each kind has places of its own.
 */
export type ReadQueue = {
  /** For commands, whose senders wait for answers. @throws (rejects) LogError `UNAVAILABLE` when no place is left */
  readonly first: Read;
  /** For all other callers: delivery, queries, subscriptions, auditors. @throws like `first` */
  readonly inBackground: Read;
  /** The answer to the oldest request that was sent. */
  readonly settle: (answer: readonly RecordedEvent[] | Error) => void;
  readonly fail: (error: Error) => void;
};

type Read = (request: ReadRequest) => Promise<readonly RecordedEvent[]>;
type PendingRead = {
  readonly request: ReadRequest;
  readonly isBackground: boolean;
  readonly resolve: (events: readonly RecordedEvent[]) => void;
  readonly reject: (error: Error) => void;
};

/** Pages of each kind that may wait to be read. */
const readsMax = 1000;
/** Enough for the thread to find the next when it has answered one; a command waits for no more than these. */
const backgroundSentMax = 8;

export const createReadQueue = (send: (message: ToLog) => void): ReadQueue => {
  const sent: PendingRead[] = [];
  const waiting: PendingRead[] = [];
  let backgroundSent = 0;
  let ended: Error | undefined;

  const sendNow = (read: PendingRead): void => {
    if (read.isBackground) backgroundSent += 1;
    sent.push(read);
    send({ kind: "read", request: read.request });
  };
  const hasPlace = (isBackground: boolean): boolean =>
    isBackground ? waiting.length < readsMax : sent.length - backgroundSent < readsMax;
  const ask =
    (isBackground: boolean): Read =>
    (request) =>
      new Promise((resolve, reject) => {
        const read = { request, isBackground, resolve, reject };
        if (ended !== undefined) reject(ended);
        else if (!hasPlace(isBackground))
          reject(new LogError("UNAVAILABLE", `${readsMax} reads of the log are waiting`));
        else if (isBackground && backgroundSent >= backgroundSentMax) waiting.push(read);
        else sendNow(read);
      });

  return {
    first: ask(false),
    inBackground: ask(true),
    settle: (answer) => {
      const oldest = sent.shift();
      if (oldest?.isBackground === true) {
        backgroundSent -= 1;
        const next = waiting.shift();
        if (next !== undefined) sendNow(next);
      }
      if (answer instanceof Error) oldest?.reject(answer);
      else oldest?.resolve(answer);
    },
    fail: (error) => {
      ended = error;
      for (const { reject } of [...sent.splice(0), ...waiting.splice(0)]) reject(error);
    },
  };
};
