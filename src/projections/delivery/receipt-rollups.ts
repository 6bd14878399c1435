import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import { asError } from "../../lib/errors.js";
import type { ConversationId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Delivery } from "../ports/bus.js";
import type { ReceiptCounts } from "../ports/rows.js";
import { atMost } from "./bounded-reads.js";
import type { Frame } from "../frames/frames.js";
import { allVisible, createWaiting, readsAtOnceMax, type FollowUpDependencies } from "./followups.js";

/** Cursors moved in a group: its newest messages' counts may have changed. */
export type Advanced = {
  readonly conversationId: ConversationId;
  /** The highest of the cursors. */
  readonly upTo: Sequence;
  readonly lastSequence: Sequence;
  readonly position: Position;
  /** Unix milliseconds. */
  readonly at: number;
  /** Whether a sender is a member as delivery has folded it: nothing follows a member's own `member.left`. */
  readonly isMember: (userId: UserId) => boolean;
  readonly seesReads: (userId: UserId) => Promise<boolean>;
};

export type ReceiptRollups = { readonly advanced: (advanced: Advanced) => void; readonly stop: () => void };

export type RollupDependencies = FollowUpDependencies<"receiptCounts"> & {
  /** When an interval's receipts are rolled up; omitted: by the clock. Answers what takes it back. */
  readonly schedule?: (work: () => Promise<void>) => () => void;
};

/** PROTOCOL §5: for the newest messages only, at most one frame per message in this time. */
const newestMessages = 50;
export const rollupIntervalMs = 250;
/** Conversations whose counts are remembered, 50 small texts each. Forgetting one costs a frame that says nothing new. */
const rememberedMax = 5_000;

/**
 * `receipt.rollup`: numbers that only the views have, so it follows them and not the log. All receipts of one interval
 * become one read of the counts for each conversation; the next interval starts when everything is sent. A conversation
 * that is given up is brought up to date by the next receipt there.
 */
export const createReceiptRollups = (deps: RollupDependencies): ReceiptRollups => {
  const waiting = createWaiting<Advanced>(() => {
    deps.onLost(1, "crowded");
  });
  const sent = new LRUCache<ConversationId, Map<Sequence, string>>(entriesMax(rememberedMax));
  const limit = atMost(readsAtOnceMax);
  const later = deps.schedule ?? afterInterval;
  let unschedule: (() => void) | undefined;
  let stopped = false;

  /** Never rejects: the process tells what fails, and roll-ups beside it go on. */
  const one = async (advanced: Advanced): Promise<void> => {
    try {
      await rollUp(deps, sent, advanced);
    } catch (error) {
      deps.onFailure(asError(error));
      deps.onLost(1, "failed");
    }
  };
  const run = async (): Promise<void> => {
    const due = waiting.takeAll();
    if (due.length > 0 && (await allVisible(deps, due))) await Promise.all(due.map((each) => limit(() => one(each))));
    unschedule = undefined;
    if (!waiting.isEmpty()) schedule();
  };
  const schedule = (): void => {
    if (!stopped) unschedule ??= later(run);
  };

  return {
    advanced: (advanced) => {
      const { conversationId } = advanced;
      const upTo = Math.max(advanced.upTo, waiting.get(conversationId)?.upTo ?? 0);
      waiting.put(conversationId, { ...advanced, upTo });
      schedule();
    },
    stop: () => {
      stopped = true;
      unschedule?.();
      waiting.clear();
    },
  };
};

const afterInterval = (work: () => Promise<void>): (() => void) => {
  const timer = setTimeout(() => void work(), rollupIntervalMs);
  return () => {
    clearTimeout(timer);
  };
};

const rollUp = async (
  { bus, reads }: RollupDependencies,
  sent: LRUCache<ConversationId, Map<Sequence, string>>,
  { conversationId, upTo, lastSequence, at, isMember, seesReads }: Advanced,
): Promise<void> => {
  const from = Math.max(1, lastSequence - newestMessages + 1);
  const to = Math.min(upTo, lastSequence);
  if (from > to) return;
  const sequences = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const counts = await reads.receiptCounts(conversationId, sequences);
  const senders = [...new Set(counts.map(({ senderId }) => senderId))];
  // Together: a sender who is not in memory costs a look at the log.
  const sees = new Map(await Promise.all(senders.map(async (id) => [id, await seesReads(id)] as const)));
  const before = sent.get(conversationId);
  // Messages that are not among the newest any more are forgotten with what was said of them.
  const now = new Map([...(before ?? [])].filter(([sequence]) => sequence >= from));
  const deliveries: Delivery[] = [];
  for (const counted of counts) {
    const count = sees.get(counted.senderId) === true ? counted : { ...counted, read: 0 };
    const text = `${count.delivered} ${count.read}`;
    const unchanged = (now.get(count.sequence) ?? "0 0") === text;
    // A sender who is away is told by the next change: what was not sent is not remembered as sent.
    if (unchanged || !bus.connected(count.senderId) || !isMember(count.senderId)) continue;
    now.set(count.sequence, text);
    deliveries.push({ recipients: [count.senderId], frame: frameOf(conversationId, count, at) });
  }
  sent.set(conversationId, now);
  await bus.deliver(deliveries);
};

const frameOf = (conversationId: ConversationId, count: ReceiptCounts, timestamp: number): string => {
  const { sequence, messageId, delivered, read, of } = count;
  const payload = { conversationId, sequence, messageId, delivered, read, of, timestamp };
  return JSON.stringify({ type: "receipt.rollup", payload } satisfies Frame);
};
