import type { Brand, Flavor } from "./brand.js";
import type { ConversationId, UserId } from "./ids.js";

/**
 * The vocabulary of the log, shared by all layers that write or read it. Types only: the ports that use them belong to
 * the layers that call them.
 */

/** `conversation-{id}`, `receipts-{id}`, `user-{id}`, `media-{id}`, or one of `ownStreams`. */
export type StreamName = string;

/** UUID of an event: the log's idempotency key. */
export type EventId = Flavor<string, "EventId">;

/** Place of an event in its stream: 0, 1, 2 … without a gap. */
export type Revision = Brand<number, "Revision">;

/** The revision before the first event: what an absent stream is at. */
export const noRevision = -1 as Revision;
export const firstRevision = 0 as Revision;

/** What a log, a row, a token or a client says is a revision. */
export const asRevision = (value: number): Revision => value as Revision;
export const revisionAfter = (revision: Revision, events = 1): Revision => asRevision(revision + events);

/** Place of an event in the whole log: grows, is opaque and need not be dense. `0` is before every event. */
export type Position = Brand<number, "Position">;
export const noPosition = 0 as Position;

/** What a log, a row, a token or a client says is a position. */
export const asPosition = (value: number): Position => value as Position;

/** Of two places of one kind. */
export const laterOf = <Place extends Revision | Position>(a: Place, b: Place): Place => (a > b ? a : b);
export const earlierOf = <Place extends Revision | Position>(a: Place, b: Place): Place => (a < b ? a : b);

/**
 * What the writer believes about the stream. A number is its exact last revision, `no_stream` says it has none, `any`
 * says nothing (for events that commute).
 */
export type ExpectedRevision = Revision | "no_stream" | "any";

/** An event on its way into the log. `data` and `meta` are JSON texts in the formats of `catalogue.ts`. */
export type NewEvent = {
  readonly id: EventId;
  readonly type: string;
  readonly data: string;
  readonly meta: string;
  /**
   * The domain event that `data` and `meta` were encoded from, while the event is in the memory of the process that
   * encoded it: a live follower of the log need not decode again. Never stored; an adapter passes it on or drops it.
   */
  readonly decoded?: unknown;
};

export type RecordedEvent = NewEvent & {
  readonly stream: StreamName;
  readonly revision: Revision;
  readonly position: Position;
};

export const streamOf = {
  conversation: (conversationId: ConversationId): StreamName => `conversation-${conversationId}`,
  receipts: (conversationId: ConversationId): StreamName => `receipts-${conversationId}`,
  user: (userId: UserId): StreamName => `user-${userId}`,
  /** The incarnations of the log. */
  log: "parley-log",
  /** Who looked into what, and what was handed out to archives. */
  access: "parley-access",
  /** What must not be erased for now. */
  holds: "parley-holds",
  /** Signed heads of the tree over the log, and the keys that sign them. */
  tree: "parley-tree",
} as const;

const categories = ["conversation-", "receipts-", "user-", "media-"] as const;
const ownStreams: readonly StreamName[] = [streamOf.log, streamOf.access, streamOf.holds, streamOf.tree];

/** What the names of Parley's streams begin with, for a server that filters; `isParleyStream` is the exact test. */
export const streamPrefixes: readonly string[] = [...categories, ...ownStreams];

/** A log that others use as well is no trouble: whatever is in other streams, the server's own included, is not there for us. */
export const isParleyStream = (stream: StreamName): boolean =>
  categories.some((category) => stream.startsWith(category)) || ownStreams.includes(stream);

/** The id part of a stream's name: `conversation-d_x` → `d_x`. The category ends at the first dash. */
export const streamId = (stream: StreamName): string => stream.slice(stream.indexOf("-") + 1);
