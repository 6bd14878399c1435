import { E, O } from "../../domain/kernel/fp.js";
import type { Actor } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import { reject } from "../../domain/rejections.js";
import type { ActivityKey, SummaryRow } from "../ports.js";
import type { Queries, Summary, SyncEntry, SyncRequest, SyncResult } from "./queries.js";
import { stateOf, toSummary } from "./summary.js";
import { asLeft } from "./as-left.js";
import { changesAfter, type EntryDependencies, type From } from "./sync-entry.js";
import { decodeNext, decodeToken, encodeNext, encodeToken, type Place } from "./sync-tokens.js";

export type SyncDependencies = EntryDependencies & {
  readonly epoch: string;
  readonly clock: () => number;
};

/** Bounds of one answer (PROTOCOL §7). */
const changesMax = 1_000;
const newConversationsMax = 200;
/** Below the protocol's 256 KiB by one largest message, since the first change of an entry always fits. */
const bytesMax = 224 * 1024;
const limitDefault = 100;
/** Conversations looked at together: those of one page, as a rule. */
const chunkSize = 200;

/** What the request asks for once tokens are read. `since`: log position of the token. */
type Plan = {
  readonly actor: Actor;
  readonly cursors: Readonly<Record<string, number>>;
  readonly since: Position | undefined;
  readonly only: boolean;
  readonly limit: number;
};

/** Everything up to the head, since the request's cursors and its token. */
export const syncQuery =
  (deps: SyncDependencies): Queries["sync"] =>
  async (actor, request, head) => {
    const resumed = request.next === undefined ? O.none : decodeNext(request.next, deps.epoch, actor.userId);
    if (request.next !== undefined && O.isNone(resumed)) return E.left(foreignNext);
    const since = sinceOf(deps.epoch, actor, request, head);
    const place = O.isSome(resumed) ? resumed.value : await firstPlace(deps, actor, head, since === "reset");
    const plan: Plan = {
      actor,
      cursors: place.reset ? {} : (request.cursors ?? {}),
      since: place.reset || since === "reset" ? undefined : since,
      only: !place.reset && request.only === true,
      limit: request.limit ?? limitDefault,
    };
    return E.right(await answer(deps, plan, place));
  };

const foreignNext = reject("INVALID_MESSAGE", "`next` is not one that this server gave.", [
  { field: "next", expected: "the `next` of the previous answer to the same request" },
]);

const sinceOf = (epoch: string, actor: Actor, request: SyncRequest, head: Position): Position | undefined | "reset" => {
  if (request.epoch !== undefined && request.epoch !== epoch) return "reset";
  if (request.token === undefined) return undefined;
  return O.getOrElse((): Position | "reset" => "reset")(decodeToken(request.token, epoch, actor.userId, head));
};

/** The bound is the newest activity in sight, so that the usual answer is in order of activity throughout. */
const firstPlace = async (deps: SyncDependencies, actor: Actor, head: Position, reset: boolean): Promise<Place> => {
  const page = { touchedAfter: 0, order: "descending", bound: Number.MAX_SAFE_INTEGER, limit: 1 } as const;
  const [newest] = await deps.reads.touchedSince(actor.userId, page);
  return { head, bound: Math.max(head, newest?.activity ?? 0), part: "descending", reset };
};

const answer = async (deps: SyncDependencies, plan: Plan, from: Place): Promise<SyncResult> => {
  const page = createPage();
  if (from.after === undefined && from.part === "descending") page.addLeft(...(await neverJoined(deps, plan)));
  let place: Place | undefined = from;
  while (place !== undefined && !page.full()) place = await fill(deps, plan, page, place);
  const { userId } = plan.actor;
  return {
    epoch: deps.epoch,
    reset: from.reset,
    conversations: page.conversations,
    newConversations: page.newConversations,
    left: page.left,
    ...(place === undefined ? {} : { next: encodeNext(deps.epoch, userId, place) }),
    ...(place === undefined && !plan.only ? { token: encodeToken(deps.epoch, userId, from.head) } : {}),
    serverTime: deps.clock(),
  };
};

/** Adds conversations from `place` on until the page is full; the place to go on from, undefined at the end. */
const fill = async (deps: SyncDependencies, plan: Plan, page: Page, place: Place): Promise<Place | undefined> => {
  const { rows, end } = await chunk(deps, plan, place);
  let after = place.after;
  for (const row of rows) {
    if (page.full()) return { ...place, ...(after === undefined ? {} : { after }) };
    await add(deps, plan, page, row);
    after = keyOf(row);
  }
  if (end !== undefined) return { ...place, after: { activity: end.activity, conversationId: end.conversationId } };
  if (place.part === "ascending") return undefined;
  return { head: place.head, bound: place.bound, reset: place.reset, part: "ascending" };
};

const keyOf = ({ conversation }: SummaryRow): ActivityKey => ({
  activity: conversation.activity,
  conversationId: conversation.conversationId,
});

/** The next conversations in the place's order: those named, and unless it is `only` those touched since. */
const chunk = async (deps: SyncDependencies, plan: Plan, place: Place): Promise<Chunk> => {
  const { userId } = plan.actor;
  const { part: order, bound, after } = place;
  const page = {
    touchedAfter: plan.since ?? 0,
    order,
    bound,
    limit: chunkSize,
    ...(after === undefined ? {} : { after }),
  };
  const touched = plan.only ? [] : await deps.reads.touchedSince(userId, page);
  const ids = new Set([...touched.map(({ conversationId }) => conversationId), ...Object.keys(plan.cursors)]);
  const found = await deps.reads.summaries(userId, [...ids]);
  // A full page of touched ones ends the chunk: named ones that sort behind it have their turn behind it.
  const end = touched.length < chunkSize ? undefined : touched.at(-1);
  const rows = found
    .filter((row) => isWanted(plan, row) && isIn(place, keyOf(row)))
    .filter((row) => end === undefined || compareIn(order, keyOf(row), end) <= 0)
    .toSorted((a, b) => compareIn(order, keyOf(a), keyOf(b)));
  return end === undefined ? { rows } : { rows, end };
};

/** `end`: where to go on from; missing when this was the last of the part. */
type Chunk = { readonly rows: readonly SummaryRow[]; readonly end?: ActivityKey };

/** A first sync does not mention what the user has left. */
const isWanted = (plan: Plan, { member, conversation }: SummaryRow): boolean =>
  member.present || plan.since !== undefined || Object.hasOwn(plan.cursors, conversation.conversationId);

const isIn = ({ part, bound, after }: Place, key: ActivityKey): boolean => {
  const inPart = part === "descending" ? key.activity <= bound : key.activity > bound;
  return inPart && (after === undefined || compareIn(part, after, key) < 0);
};

const compareIn = (order: Place["part"], a: ActivityKey, b: ActivityKey): number => {
  const ascending =
    a.activity - b.activity || (a.conversationId < b.conversationId ? -1 : a.conversationId > b.conversationId ? 1 : 0);
  return order === "ascending" ? ascending : -ascending;
};

const neverJoined = async (deps: SyncDependencies, plan: Plan): Promise<readonly string[]> => {
  const named = Object.keys(plan.cursors);
  if (named.length === 0) return [];
  const known = await deps.reads.summaries(plan.actor.userId, named);
  const joined = new Set(known.map(({ conversation }) => conversation.conversationId));
  return named.filter((conversationId) => !joined.has(conversationId));
};

const add = async (deps: SyncDependencies, plan: Plan, page: Page, row: SummaryRow): Promise<void> => {
  const { conversationId } = row.conversation;
  const cursor = Object.hasOwn(plan.cursors, conversationId) ? plan.cursors[conversationId] : undefined;
  const membershipMoved = plan.since === undefined || row.membershipPosition > plan.since;
  if (cursor === undefined && row.member.present && membershipMoved) {
    page.addNew(await toSummary(row, deps.open));
    return;
  }
  if (!row.member.present && (membershipMoved || cursor !== undefined)) page.addLeft(conversationId);
  // Nothing of a conversation that was left before the token reaches its former member.
  if (cursor === undefined && !row.member.present && !membershipMoved) return;
  const from: From = cursor === undefined ? { position: plan.since ?? 0 } : { pos: cursor };
  await page.addEntry(deps, row, from, plan.limit);
};

/** An answer in the making, within its bounds. */
type Page = ReturnType<typeof createPage>;

const createPage = () => {
  const conversations: SyncEntry[] = [];
  const newConversations: Summary[] = [];
  const left: string[] = [];
  let changesLeft = changesMax;
  let bytesLeft = bytesMax;
  return {
    conversations,
    newConversations,
    left,
    addLeft: (...ids: readonly string[]): void => {
      left.push(...ids);
      for (const id of ids) bytesLeft -= id.length + jsonOfItemBytes;
    },
    full: () => changesLeft <= 0 || bytesLeft <= 0 || newConversations.length >= newConversationsMax,
    addNew: (summary: Summary): void => {
      newConversations.push(summary);
      bytesLeft -= Buffer.byteLength(JSON.stringify(summary));
    },
    addEntry: async (deps: EntryDependencies, row: SummaryRow, from: From, limit: number): Promise<void> => {
      const budget = { changes: Math.min(limit, changesLeft), bytes: bytesLeft };
      const { bytes, ...changes } = await changesAfter(deps, row, from, budget);
      const entry = {
        conversationId: row.conversation.conversationId,
        ...changes,
        state: await stateOf(await seenByNow(deps, row), deps.open),
      };
      conversations.push(entry);
      changesLeft -= changes.changes.length;
      bytesLeft -= bytes + Buffer.byteLength(JSON.stringify(entry.state)) + entryOverheadBytes;
    },
  };
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
