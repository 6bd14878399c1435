import type { ConversationId, Sequence } from "../../domain/kernel/ids.js";
import type { AdvanceReceipts } from "../../commands/commands.js";
import { gatewayLimits as bounds } from "../limits.js";
import type { Failure } from "../protocol/codes.js";
import type { ReceiptCursor } from "../protocol/frames.js";

/**
 * Receipts of one connection, coalesced per conversation (DESIGN §6): pure, with requests of any type `R`. A request
 * names one conversation or several; it is answered once, when the last of them is settled.
 */
export type Receipts<R> = {
  readonly waiting: ReadonlyMap<ConversationId, Batch<R>>;
  /** Requests about several conversations, from their arrival to their answer. */
  readonly spread: ReadonlyMap<number, Progress>;
  readonly nextSpread: number;
};

/** What becomes one command. `parts` remember which request asked for what: to answer each, and to try them one by one. */
export type Batch<R> = { readonly conversationId: ConversationId; readonly parts: readonly Part<R>[] };
export type Part<R> = {
  readonly kind: ReceiptKind;
  readonly upTo: Sequence;
  readonly request: R;
  /** Key in `spread`, for a request about several conversations. */
  readonly spread?: number;
};
export type ReceiptKind = "delivered" | "read";
type Progress = { readonly left: number; readonly failed?: ReceiptFailure };
export type ReceiptFailure = { readonly failure: Failure; readonly conversationId: ConversationId };

/** One request's answer: a failure of any of its conversations is its failure, the first one counts. */
export type ReceiptAnswer<R> = { readonly request: R; readonly failed?: ReceiptFailure };

/** One for all connections, as its maps: most connections have no receipts in most moments, and each map takes 200 bytes. */
export const noReceipts = <R>(): Receipts<R> => none;
const noneWait: Receipts<never>["waiting"] = new Map();
const noneSpread: Receipts<never>["spread"] = new Map();
const none: Receipts<never> = { waiting: noneWait, spread: noneSpread, nextSpread: 0 };

/** Adds a request's cursors (the highest per conversation). */
export const addReceipts = <R>(
  receipts: Receipts<R>,
  kind: ReceiptKind,
  cursors: readonly ReceiptCursor[],
  request: R,
): Receipts<R> => {
  const highest = new Map<ConversationId, Sequence>();
  for (const { conversationId, upToSequence } of cursors)
    highest.set(conversationId, Math.max(upToSequence, highest.get(conversationId) ?? 0));
  const several = highest.size > 1;
  const waiting = new Map(receipts.waiting);
  for (const [conversationId, upTo] of highest) {
    const part: Part<R> = several ? { kind, upTo, request, spread: receipts.nextSpread } : { kind, upTo, request };
    waiting.set(conversationId, { conversationId, parts: [...(waiting.get(conversationId)?.parts ?? []), part] });
  }
  if (!several) return { ...receipts, waiting };
  const spread = new Map(receipts.spread).set(receipts.nextSpread, { left: highest.size });
  return { waiting, spread, nextSpread: receipts.nextSpread + 1 };
};

/** The batches that must not wait any longer for their number alone. */
export const takeOverfull = <R>(receipts: Receipts<R>): readonly [Receipts<R>, readonly Batch<R>[]] => {
  if (receipts.waiting.size > bounds.receiptConversationsMax) return takeAll(receipts);
  const full = Array.from(receipts.waiting.values()).filter(({ parts }) => parts.length >= bounds.receiptsWaitingMax);
  if (full.length === 0) return [receipts, full];
  const waiting = new Map(receipts.waiting);
  for (const { conversationId } of full) waiting.delete(conversationId);
  return [{ ...receipts, waiting }, full];
};

export const takeAll = <R>(receipts: Receipts<R>): readonly [Receipts<R>, readonly Batch<R>[]] => [
  { ...receipts, waiting: noneWait },
  Array.from(receipts.waiting.values()),
];

/** The batch as one command: maxima, and read implies delivered. */
export const advanceOf = <R>({ conversationId, parts }: Batch<R>): AdvanceReceipts => {
  const highest = (kinds: readonly ReceiptKind[]): Sequence =>
    parts.reduce((most, { kind, upTo }) => (kinds.includes(kind) ? Math.max(most, upTo) : most), -1);
  const readUpTo = highest(["read"]);
  const deliveredUpTo = highest(["read", "delivered"]);
  return readUpTo < 0 ? { conversationId, deliveredUpTo } : { conversationId, deliveredUpTo, readUpTo };
};

/**
 * A refused batch once more in pieces, where that can tell good cursors from bad ones: one absurd `upToSequence` must
 * not take with it what was sent beside it. Undefined when the refusal stands for all of its parts.
 */
export const splitRefused = <R>(batch: Batch<R>, failure: Failure): readonly Batch<R>[] | undefined => {
  if (failure.code !== "INVALID_MESSAGE") return undefined;
  const pieces = new Map<string, Part<R>[]>();
  for (const part of batch.parts) {
    const key = `${part.kind} ${part.upTo}`;
    const piece = pieces.get(key);
    if (piece === undefined) pieces.set(key, [part]);
    else piece.push(part);
  }
  if (pieces.size < 2) return undefined;
  return Array.from(pieces.values(), (parts) => ({ conversationId: batch.conversationId, parts }));
};

/** Settles a batch: the requests that are complete with it. */
export const settleBatch = <R>(
  receipts: Receipts<R>,
  batch: Batch<R>,
  failure: Failure | undefined,
): readonly [Receipts<R>, readonly ReceiptAnswer<R>[]] => {
  const failed = failure === undefined ? undefined : { failure, conversationId: batch.conversationId };
  const answers: ReceiptAnswer<R>[] = [];
  let spread = receipts.spread;
  for (const part of batch.parts) {
    const progress = part.spread === undefined ? { left: 1 } : (spread.get(part.spread) ?? { left: 1 });
    const worst = progress.failed ?? failed;
    const left = progress.left - 1;
    if (left === 0) answers.push(worst ? { request: part.request, failed: worst } : { request: part.request });
    if (part.spread === undefined) continue;
    const changed = new Map(spread);
    if (left === 0) changed.delete(part.spread);
    else changed.set(part.spread, worst ? { left, failed: worst } : { left });
    spread = changed;
  }
  return [{ ...receipts, spread: spread.size === 0 ? noneSpread : spread }, answers];
};
