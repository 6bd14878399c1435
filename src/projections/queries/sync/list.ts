import type { Actor, ConversationId } from "../../../domain/kernel/ids.js";
import { asRevision, laterOf, noPosition, type Position, type Revision } from "../../../domain/kernel/stream.js";
import type { SummaryRow, TouchedRow } from "../../ports/rows.js";
import type { ActivityKey, ViewReads } from "../../ports/view-store.js";
import type { Place } from "./tokens.js";

/** What the request asks for once tokens are read. `since`: log position of the token. */
export type Plan = {
  readonly actor: Actor;
  readonly cursors: Readonly<Record<string, number>>;
  readonly since: Position | undefined;
  readonly only: boolean;
  readonly limit: number;
};

/** Conversations looked at together: those of one page, as a rule. */
const chunkSize = 200;

/** `end`: where to go on from; missing when this was the last of the part. `unknown`: named, and never joined. */
export type Chunk = {
  readonly rows: readonly SummaryRow[];
  readonly end?: ActivityKey;
  readonly unknown: readonly ConversationId[];
};

export const cursorOf = ({ cursors }: Plan, id: ConversationId): Revision | undefined => {
  const cursor = Object.hasOwn(cursors, id) ? cursors[id] : undefined;
  return cursor === undefined ? undefined : asRevision(cursor);
};

export const keyOf = ({ conversation }: SummaryRow): ActivityKey => ({
  activity: conversation.activity,
  conversationId: conversation.conversationId,
});

/** The next conversations in the place's order. */
export const chunkOf = (reads: ViewReads, plan: Plan, place: Place): Promise<Chunk> =>
  place.part === "first" ? firstChunk(reads, plan, place) : movedChunk(reads, plan, place);

/** Those named, and unless it is `only` those touched since the token, newest activity first. */
const firstChunk = async (reads: ViewReads, plan: Plan, { after }: Place): Promise<Chunk> => {
  const { userId } = plan.actor;
  const page = { touchedAfter: plan.since ?? noPosition, order: "activity", limit: chunkSize, ...from(after) } as const;
  const touched = plan.only ? [] : await reads.touchedSince(userId, page);
  const named = Object.keys(plan.cursors);
  const found = await reads.summaries(userId, [
    ...new Set([...touched.map(({ conversationId }) => conversationId), ...named]),
  ]);
  const known = new Set(found.map(({ conversation }) => conversation.conversationId));
  // A full page of touched ones ends the chunk: named ones that sort behind it have their turn behind it.
  const end = endOf(touched);
  const rows = found
    .filter((row) => isWanted(plan, row) && (after === undefined || inOrder(after, keyOf(row)) < 0))
    .filter((row) => end === undefined || inOrder(keyOf(row), end) <= 0)
    .toSorted((a, b) => inOrder(keyOf(a), keyOf(b)));
  return { rows, unknown: named.filter((id) => !known.has(id)), ...(end === undefined ? {} : { end }) };
};

/** Those of them that something has happened to since the first page was read, by id. */
const movedChunk = async (reads: ViewReads, plan: Plan, { seen, after }: Place): Promise<Chunk> => {
  const { userId } = plan.actor;
  const page = {
    touchedAfter: laterOf(seen, plan.since ?? noPosition),
    order: "id",
    limit: chunkSize,
    ...from(after),
  } as const;
  const touched = await reads.touchedSince(userId, page);
  const ids = touched.map(({ conversationId }) => conversationId);
  const found = await reads.summaries(userId, plan.only ? ids.filter((id) => Object.hasOwn(plan.cursors, id)) : ids);
  const rows = found.filter((row) => isWanted(plan, row)).toSorted((a, b) => compared(idIn(a), idIn(b)));
  const end = endOf(touched);
  return { rows, unknown: [], ...(end === undefined ? {} : { end }) };
};

/** Undefined: there are no more. */
const endOf = (touched: readonly TouchedRow[]): ActivityKey | undefined => {
  const last = touched.length < chunkSize ? undefined : touched.at(-1);
  return last && { activity: last.activity, conversationId: last.conversationId };
};

const from = (after: ActivityKey | undefined) => (after === undefined ? {} : { after });

/** A first sync does not mention what the user has left. */
const isWanted = (plan: Plan, { member, conversation }: SummaryRow): boolean =>
  member.present || plan.since !== undefined || Object.hasOwn(plan.cursors, conversation.conversationId);

const inOrder = (a: ActivityKey, b: ActivityKey): number =>
  b.activity - a.activity || compared(b.conversationId, a.conversationId);

const idIn = ({ conversation }: SummaryRow): ConversationId => conversation.conversationId;
/** Ids are ASCII: this is the order of their bytes, which is the stores'. */
const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
