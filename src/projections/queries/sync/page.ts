import type { ConversationId, UserId } from "../../../domain/kernel/ids.js";
import type { SummaryRow } from "../../ports/rows.js";
import { asLeft } from "../as-left.js";
import type { Summary, SyncEntry } from "../queries.js";
import { stateOf, toSummary } from "../summary.js";
import { countIn, cutChanges, readChanges, type EntryDependencies, type Span } from "./entry.js";

/** Bounds of one answer (PROTOCOL §7). */
const changesMax = 1_000;
const newConversationsMax = 200;
/** Erased users who are looked up for one answer, whether the reader knows them or not. */
const erasuresMax = 1_000;
/** Below the protocol's 256 KiB by one largest message, since the first change of an entry always fits. */
const bytesMax = 224 * 1024;

/** What one conversation contributes, before anything of it is read. */
export type Part = {
  readonly row: SummaryRow;
  readonly kind: "new" | "entry" | "none";
  readonly left: boolean;
  readonly span?: Span;
};

/** Read, and not yet cut to the room that the page has by its turn. */
type Made = Part & {
  readonly summary?: Summary;
  readonly read?: Awaited<ReturnType<typeof readChanges>>;
  readonly state?: SyncEntry["state"];
};

/** An answer in the making, within its bounds. */
export type Page = ReturnType<typeof createPage>;

export const createPage = () => {
  const conversations: SyncEntry[] = [];
  const newConversations: Summary[] = [];
  const left: ConversationId[] = [];
  const erased: UserId[] = [];
  let changesLeft = changesMax;
  let erasuresLeft = erasuresMax;
  let bytesLeft = bytesMax;
  const addLeft = (...ids: readonly ConversationId[]): void => {
    left.push(...ids);
    for (const id of ids) bytesLeft -= id.length + jsonOfItemBytes;
  };
  return {
    conversations,
    newConversations,
    left,
    erased,
    addLeft,
    addErased: (known: readonly UserId[], lookedUp: number): void => {
      erased.push(...known);
      for (const id of known) bytesLeft -= id.length + jsonOfItemBytes;
      erasuresLeft -= lookedUp;
    },
    changesLeft: () => changesLeft,
    full: () =>
      changesLeft <= 0 || bytesLeft <= 0 || erasuresLeft <= 0 || newConversations.length >= newConversationsMax,
    /** Nothing in it is the last word: the rest of every entry is asked for. */
    isCutShort: () =>
      newConversations.length === 0 && left.length === 0 && conversations.every(({ hasMore }) => hasMore),
    hasReset: () => conversations.some(({ reset }) => reset),
    add: ({ row, left: hasLeft, summary, span, read, state }: Made): void => {
      const { conversationId } = row.conversation;
      if (hasLeft) addLeft(conversationId);
      if (summary !== undefined) {
        newConversations.push(summary);
        bytesLeft -= Buffer.byteLength(JSON.stringify(summary));
      }
      if (span === undefined || read === undefined || state === undefined) return;
      const { bytes, ...changes } = cutChanges(span, read, bytesLeft);
      conversations.push({ conversationId, ...changes, state });
      changesLeft -= changes.changes.length;
      bytesLeft -= bytes + Buffer.byteLength(JSON.stringify(state)) + entryOverheadBytes;
    },
  };
};

/**
 * Reads what the parts are about, all at once: as many of them, from the first on, as `changes` have room for. Together
 * they read no more events than one page holds.
 */
export const readParts = (
  deps: EntryDependencies,
  parts: readonly Part[],
  changes: number,
  limit: number,
): Promise<readonly Made[]> => {
  let room = changes;
  const chosen: Promise<Made>[] = [];
  for (const part of parts) {
    if (room <= 0) break;
    const count = part.span === undefined ? 0 : countIn(part.span, Math.min(limit, room));
    room -= count;
    chosen.push(readPart(deps, part, count));
  }
  return Promise.all(chosen);
};

const readPart = async (deps: EntryDependencies, part: Part, count: number): Promise<Made> => {
  if (part.kind === "new") return { ...part, summary: await toSummary(part.row, deps.open) };
  if (part.span === undefined) return part;
  const [read, state] = await Promise.all([
    readChanges(deps, part.span, count),
    seenByNow(deps, part.row).then((row) => stateOf(row, deps.open)),
  ]);
  return { ...part, read, state };
};

/** A former member's preview is of the moment of leaving. */
const seenByNow = async ({ source }: EntryDependencies, row: SummaryRow): Promise<SummaryRow> => {
  if (row.member.present || row.lastMessage === null) return row;
  const [lastMessage] = await asLeft(source, row.conversation.conversationId, row.steps, [row.lastMessage]);
  return { ...row, lastMessage: lastMessage ?? null };
};

/** Quotes and a comma. */
const jsonOfItemBytes = 3;
/** The entry's own field names and numbers. */
const entryOverheadBytes = 160;
