import { asError } from "../../domain/kernel/errors.js";
import { LRUCache } from "lru-cache";
import { E } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Bus, Delivery, ReceiptCounts, ViewReads } from "../ports.js";
import type { Queries } from "../queries/queries.js";

/** Cursors moved in a group: its newest messages' counts may have changed. */
export type Advanced = {
  readonly conversationId: string;
  /** The highest of the cursors. */
  readonly upTo: number;
  readonly lastSequence: number;
  readonly position: Position;
  /** Unix milliseconds. */
  readonly at: number;
  /** Whether a sender is a member as delivery has folded it: nothing follows somebody's own `member.left`. */
  readonly isMember: (userId: string) => boolean;
  readonly seesReads: (userId: string) => Promise<boolean>;
};

export type ReceiptRollups = { readonly advanced: (advanced: Advanced) => void; readonly stop: () => void };

export type RollupDependencies = {
  readonly bus: Bus;
  readonly reads: Pick<ViewReads, "receiptCounts">;
  readonly awaitCaughtUp: Queries["awaitCaughtUp"];
  readonly onFailure: (error: Error) => void;
};

/** PROTOCOL §5: for the newest messages only, at most one frame per message in this time. */
const newestMessages = 50;
const intervalMs = 250;
/** Conversations that wait for their turn. Beyond it the oldest is given up: the next receipt there brings it up to date. */
const pendingMax = 10_000;
/** Conversations whose counts are remembered, 50 small texts each. Forgetting one costs a frame that says nothing new. */
const rememberedMax = 5_000;

/**
 * `receipt.rollup`: numbers that only the views have, so it follows them and not the log. All receipts of one interval
 * become one read of the counts for each conversation; the next interval starts when everything is sent.
 */
export const createReceiptRollups = (deps: RollupDependencies): ReceiptRollups => {
  const pending = new Map<string, Advanced>();
  const sent = new LRUCache<string, Map<number, string>>({ max: rememberedMax });
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const run = async (): Promise<void> => {
    const due = [...pending.values()];
    pending.clear();
    for (const each of due) {
      try {
        await rollUp(deps, sent, each);
      } catch (error) {
        deps.onFailure(asError(error));
      }
    }
    timer = undefined;
    if (pending.size > 0) schedule();
  };
  const schedule = (): void => {
    if (!stopped) timer ??= setTimeout(() => void run(), intervalMs);
  };

  return {
    advanced: (advanced) => {
      const before = pending.get(advanced.conversationId);
      pending.delete(advanced.conversationId);
      const upTo = Math.max(advanced.upTo, before?.upTo ?? 0);
      pending.set(advanced.conversationId, { ...advanced, upTo });
      const oldest = pending.size > pendingMax ? pending.keys().next().value : undefined;
      if (oldest !== undefined) pending.delete(oldest);
      schedule();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      pending.clear();
    },
  };
};

const rollUp = async (
  { bus, reads, awaitCaughtUp }: RollupDependencies,
  sent: LRUCache<string, Map<number, string>>,
  { conversationId, upTo, lastSequence, position, at, isMember, seesReads }: Advanced,
): Promise<void> => {
  const from = Math.max(1, lastSequence - newestMessages + 1);
  const to = Math.min(upTo, lastSequence);
  if (from > to || E.isLeft(await awaitCaughtUp(position))) return;
  const sequences = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const counts = await reads.receiptCounts(conversationId, sequences);
  const before = sent.get(conversationId);
  // Messages that are not among the newest any more are forgotten with what was said of them.
  const now = new Map([...(before ?? [])].filter(([sequence]) => sequence >= from));
  const deliveries: Delivery[] = [];
  for (const counted of counts) {
    const count = (await seesReads(counted.senderId)) ? counted : { ...counted, read: 0 };
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

const frameOf = (conversationId: string, count: ReceiptCounts, timestamp: number): string => {
  const { sequence, messageId, delivered, read, of } = count;
  const payload = { conversationId, sequence, messageId, delivered, read, of, timestamp };
  return JSON.stringify({ type: "receipt.rollup", payload });
};
