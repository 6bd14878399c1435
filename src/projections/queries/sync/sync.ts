import { E, type Either } from "../../../domain/kernel/fp.js";
import type { Actor } from "../../../domain/kernel/ids.js";
import { laterOf, noPosition, type Position } from "../../../domain/kernel/stream.js";
import { reject, type Rejection } from "../../../domain/rejections.js";
import type { SummaryRow } from "../../ports/rows.js";
import { haveMet } from "../../meetings.js";
import type { ViewStore } from "../../ports/view-store.js";
import type { Queries, SyncRequest, SyncResult } from "../queries.js";
import { spanOf, type EntryDependencies, type From } from "./entry.js";
import { chunkOf, cursorOf, keyOf, type Plan } from "./list.js";
import { createPage, readParts, type Page, type Part } from "./page.js";
import { decodeNext, decodeToken, encodeNext, encodeToken, type Place } from "./tokens.js";

export type SyncDependencies = EntryDependencies & {
  /** The views hold everything up to it, and perhaps more: no store is asked. */
  readonly reached: () => Position;
  readonly checkpoint: ViewStore["checkpoint"];
  readonly epoch: string;
  readonly clock: () => number;
};

const limitDefault = 100;
/** Conversations whose beginnings are looked for together, and erased users who are looked up together. */
const partsAtOnce = 16;
/** Fewer changes than this hardly fill a page: it needs the head, and is not tried without. */
const changesWorthTrying = 100;

/**
 * What a page holds is read from the views as they are. Only its end needs the log's head: where a page is full, what the
 * views lacked was touched after `seen` and has its turn later, and where an entry is cut short, its rest is asked for.
 * So a device that is far behind gets page after page without waiting for views that have much to do.
 */
export const syncQueries = (deps: SyncDependencies): Pick<Queries, "sync" | "syncAhead"> => ({
  sync: async (actor, request, head) => {
    const begun = begin(deps, actor, request, head, laterOf(head, deps.reached()));
    if (E.isLeft(begun)) return begun;
    const { plan, place } = begun.right;
    return E.right(answerOf(deps, plan, place, await fillPage(deps, plan, place, undefined)));
  },
  syncAhead: async (actor, request, head, own) => {
    if (deps.reached() >= head) return undefined;
    const reached = (await deps.checkpoint())?.position ?? noPosition;
    if (reached >= head || reached < own) return undefined;
    const begun = begin(deps, actor, request, head, reached);
    // A request that is refused is refused at its second try as well, and a token beyond the views is too new for them.
    if (E.isLeft(begun) || (begun.right.plan.since ?? 0) > reached) return undefined;
    const { plan, place } = begun.right;
    const filled = await fillPage(deps, plan, place, reached);
    if (filled.needsHead || filled.page.hasReset()) return undefined;
    const isWhole = filled.next === undefined && !(plan.only && isStart(place) && filled.page.isCutShort());
    return isWhole ? undefined : answerOf(deps, plan, place, filled);
  },
});

type Begun = { readonly plan: Plan; readonly place: Place };

const begin = (
  deps: SyncDependencies,
  actor: Actor,
  request: SyncRequest,
  head: Position,
  seen: Position,
): Either<Rejection, Begun> => {
  const resumed = request.next === undefined ? undefined : decodeNext(request.next, deps.epoch, actor.userId);
  if (request.next !== undefined && resumed === undefined) return E.left(foreignNext);
  const since = sinceOf(deps.epoch, actor, request, head);
  const place: Place = resumed ?? { head, seen, part: "first", reset: since === "reset" };
  const plan: Plan = {
    actor,
    cursors: place.reset ? {} : (request.cursors ?? {}),
    since: place.reset || since === "reset" ? undefined : since,
    only: !place.reset && request.only === true,
    limit: request.limit ?? limitDefault,
  };
  return E.right({ plan, place });
};

const foreignNext = reject("INVALID_MESSAGE", "`next` is not one that this server gave.", [
  { field: "next", expected: "the `next` of the previous answer to the same request" },
]);

const sinceOf = (epoch: string, actor: Actor, request: SyncRequest, head: Position): Position | undefined | "reset" => {
  if (request.epoch !== undefined && request.epoch !== epoch) return "reset";
  if (request.token === undefined) return undefined;
  return decodeToken(request.token, epoch, actor.userId, head) ?? "reset";
};

const isStart = ({ part, after }: Place): boolean => part === "first" && after === undefined;

/** `next`: where the answer goes on. `needsHead`: what is in the page counts for nothing while the views are behind. */
type Filled = { readonly page: Page; readonly next: Place | undefined; readonly needsHead: boolean };

const answerOf = (deps: SyncDependencies, plan: Plan, from: Place, { page, next }: Filled): SyncResult => {
  const { userId } = plan.actor;
  return {
    epoch: deps.epoch,
    reset: from.reset,
    conversations: page.conversations,
    newConversations: page.newConversations,
    left: page.left,
    ...(page.erased.length === 0 ? {} : { erased: page.erased }),
    ...(next === undefined ? {} : { next: encodeNext(deps.epoch, userId, next) }),
    ...(next === undefined && !plan.only ? { token: encodeToken(deps.epoch, userId, from.head) } : {}),
    serverTime: deps.clock(),
  };
};

/** Chunk after chunk until the page is full. `reached`: by views that have not reached the head. */
const fillPage = async (
  deps: SyncDependencies,
  plan: Plan,
  from: Place,
  reached: Position | undefined,
): Promise<Filled> => {
  const ahead = reached !== undefined;
  const page = createPage();
  let place: Place | undefined = from;
  while (place !== undefined && !page.full()) {
    if (ahead && place.part !== "first" && reached < from.head) return { page, next: place, needsHead: true };
    if (place.part === "erased") {
      place = await addErased(deps, plan, page, place);
      continue;
    }
    const { rows, end, unknown } = await chunkOf(deps.reads, plan, place);
    const isFirst = place === from && isStart(from);
    // Views that are behind may not know yet what was joined.
    if (ahead && isFirst && (unknown.length > 0 || (end === undefined && !mayFill(plan, rows))))
      return { page, next: place, needsHead: true };
    if (isFirst) page.addLeft(...unknown);
    const added = await addRows(deps, plan, page, rows);
    const last = added < rows.length ? rows[added - 1] : undefined;
    if (added < rows.length) place = last === undefined ? place : { ...place, after: keyOf(last) };
    else if (end !== undefined) place = { ...place, after: end };
    // All that was in sight at one moment needs no second look, unless the views lacked something at that moment.
    else if (isFirst && (!ahead || (plan.only && page.isCutShort()))) place = erasuresAfter(plan, place);
    else place = place.part === "moved" ? erasuresAfter(plan, place) : { ...placeWithout(place), part: "moved" };
  }
  return { page, next: place, needsHead: false };
};

const placeWithout = ({ head, seen, part, reset }: Place): Place => ({ head, seen, part, reset });

/**
 * Who has nothing from before needs not be told what to forget. A device that names cursors without a token has something,
 * and nobody knows since when.
 */
const erasuresAfter = (plan: Plan, place: Place): Place | undefined => {
  if (plan.only || (plan.since === undefined && Object.keys(plan.cursors).length === 0)) return undefined;
  return { ...placeWithout(place), part: "erased", told: plan.since ?? noPosition };
};

/** The next erased users of the log whom the reader may have met; undefined: there are no more. */
const addErased = async (
  { reads }: SyncDependencies,
  plan: Plan,
  page: Page,
  place: Place,
): Promise<Place | undefined> => {
  const rows = await reads.erasedAfter(place.told ?? noPosition, partsAtOnce);
  const met = await Promise.all(rows.map(({ userId }) => haveMet(reads, plan.actor.userId, userId)));
  page.addErased(
    rows.filter((_, index) => met[index]).map(({ userId }) => userId),
    rows.length,
  );
  const last = rows.length < partsAtOnce ? undefined : rows.at(-1);
  return last && { ...place, told: last.position };
};

/** Whether the rows may fill a page, or cut every entry short. */
const mayFill = (plan: Plan, rows: readonly SummaryRow[]): boolean => {
  const behind = rows.map((row) => row.conversation.headPos - (cursorOf(plan, row.conversation.conversationId) ?? -1));
  if (plan.only && behind.every((count) => count > plan.limit)) return true;
  return behind.reduce((sum, count) => sum + Math.max(0, Math.min(count, plan.limit)), 0) >= changesWorthTrying;
};

/** Adds rows until the page is full; how many it took. */
const addRows = async (
  deps: SyncDependencies,
  plan: Plan,
  page: Page,
  rows: readonly SummaryRow[],
): Promise<number> => {
  let added = 0;
  while (added < rows.length && !page.full()) {
    const parts = await Promise.all(rows.slice(added, added + partsAtOnce).map((row) => partOf(deps, plan, row)));
    for (const made of await readParts(deps, parts, page.changesLeft(), plan.limit)) {
      if (page.full()) return added;
      page.add(made);
      added += 1;
    }
  }
  return added;
};

const partOf = async (deps: SyncDependencies, plan: Plan, row: SummaryRow): Promise<Part> => {
  const cursor = cursorOf(plan, row.conversation.conversationId);
  const membershipMoved = plan.since === undefined || row.membershipPosition > plan.since;
  const { present } = row.member;
  if (cursor === undefined && present && membershipMoved) return { row, kind: "new", left: false };
  // Nothing of a conversation that was left before the token reaches its former member.
  if (cursor === undefined && !present && !membershipMoved) return { row, kind: "none", left: false };
  const from: From = cursor === undefined ? { position: plan.since ?? noPosition } : { pos: cursor };
  return { row, kind: "entry", left: !present, span: await spanOf(deps, row, from) };
};
