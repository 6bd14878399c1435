import type { Chunk, Chunks } from "../domain/kernel/chunks.snapshot.js";
import type { OldMessage } from "../domain/conversation/conversation.js";
import type { ConversationId, MessageId, UserId } from "../domain/kernel/ids.js";
import type {
  EventId,
  ExpectedRevision,
  NewEvent,
  Position,
  RecordedEvent,
  Revision,
  StreamName,
} from "../domain/kernel/stream.js";

/**
 * The log: the only source of truth.
 *
 * - `append` is atomic and durable when it resolves. It is idempotent by event ids, for ever, where it names a revision:
 *   the same ids after the same revision answer their first acceptance and write nothing, and the caller is not told
 *   which it was; so an id is never used for two contents. With `any` a repetition may be written once more: only what
 *   commutes, and may be there twice, is appended so.
 * - It rejects with `LogError`: `UNAVAILABLE` (nothing was written), `OUTCOME_UNKNOWN` (repeat the identical append; a
 *   repetition while the first is under way may have no other answer either).
 * - `readStream` and `head` answer what the log has, not what a copy of it has: whatever was answered as appended before
 *   the call. Only a conflict may be ahead of them for a moment.
 * - Order: revisions of a stream have no gap; positions grow in commit order; an event is published after it is durable.
 */
export type EventLog = {
  readonly append: (
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ) => Promise<AppendResult>;
  /**
   * `append` of a log that lives in this process, by calling back: exactly one of the two, once, never before this
   * returns. There a promise costs more than the append. Neither callback may throw: others' answers come after it.
   */
  readonly appendThen?: AppendThen;
  /** At most `count` events from revision `from`, inclusive; an absent stream has none. `backwards` from -1 starts at the end. */
  readonly readStream: (
    stream: StreamName,
    from: Revision,
    count: number,
    direction?: Direction,
  ) => Promise<readonly RecordedEvent[]>;
  /** At most `count` events strictly after (`backwards`: strictly before; omitted `from`: from the end) a position. */
  readonly readAll: (
    from: Position | undefined,
    count: number,
    direction?: Direction,
  ) => Promise<readonly RecordedEvent[]>;
  /**
   * Everything after `from`, in order, without a gap between the past and the live events. The next batch comes when
   * `onEvents` has resolved; what waits meanwhile is read from the log again, not held in memory. `onFailure` is
   * called once, when the subscription ends by itself. "head": a remote adapter takes it some time after the call.
   */
  readonly subscribe: (from: Position | "head", subscriber: Subscriber) => Subscription;
  /** Position of the last event; 0 for an empty log. */
  readonly head: () => Promise<Position>;
};

export type AppendThen = (
  stream: StreamName,
  expected: ExpectedRevision,
  events: readonly NewEvent[],
  answered: (result: AppendResult) => void,
  failed: (error: Error) => void,
) => void;

export type Direction = "forwards" | "backwards";

export type AppendResult =
  | { readonly kind: "appended"; readonly revision: Revision; readonly position: Position }
  | { readonly kind: "conflict"; readonly actual: Revision };

export type Subscriber = {
  readonly onEvents: (events: readonly RecordedEvent[]) => void | Promise<void>;
  readonly onFailure: (error: Error) => void;
};
export type Subscription = { readonly stop: () => void };

export type LogErrorCode = "UNAVAILABLE" | "OUTCOME_UNKNOWN" | "TOO_LARGE";

export class LogError extends Error {
  constructor(
    readonly code: LogErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "LogError";
  }
}

/**
 * Data keys: 32 random bytes by id, never in the log. `cached` answers at once and only from memory; `obtain` returns the
 * key, made and durable first if it is new; `find` never makes one: undefined means that it was destroyed or never was.
 * Both reject with LogError `UNAVAILABLE` when the store cannot be asked, and at once where it is known to be away: a
 * conversation stands still while a command of it waits for a key.
 *
 * `condemn`: the store makes no key for that user any more: `obtain` rejects with `UNAVAILABLE`. What is there stays, so
 * that it can be written down before it is destroyed. `destroy`: the user's keys, of all months and incarnations and their
 * profile's, are gone for good when it resolves, and none is made any more. Both are repeatable. Other processes forget
 * theirs when they look for them again.
 */
export type KeyStore = {
  readonly cached: (keyId: string) => Buffer | undefined;
  readonly obtain: (keyId: string) => Promise<Buffer>;
  readonly find: (keyId: string) => Promise<Buffer | undefined>;
};

/** The part that ends what users wrote. */
export type DestroyingKeys = {
  /** @returns the ids of the keys that are there */
  readonly condemn: (userId: UserId) => Promise<readonly string[]>;
  /** @returns the ids of the keys that were there: also of one that was on its way when they were condemned */
  readonly destroy: (userId: UserId) => Promise<readonly string[]>;
  /** Whether the keys of this user were destroyed on purpose: none is there, and none is made. */
  readonly isErased: (userId: UserId) => Promise<boolean>;
};

/**
 * XChaCha20-Poly1305 (IETF), what texts are sealed with. `context`: what a text is authenticated with; ASCII, as ids are.
 * Every adapter opens what another sealed.
 */
export type TextCipher = {
  /** Base64 of 24 bytes nonce (random), ciphertext, 16 bytes tag. */
  readonly seal: (key: Buffer, context: string, text: string) => string;
  /** @throws Error when this is not what was sealed with that key in that context */
  readonly open: (key: Buffer, context: string, data: string) => string;
};

/**
 * Messages from before a state's window, by id. `from`: the state itself knows every change from this revision on; the
 * answer holds at least everything before it. Null: there is no such message. Rejects with LogError `UNAVAILABLE` when
 * neither view nor stream can answer now.
 */
export type LookUpMessage = (
  conversationId: ConversationId,
  messageId: MessageId,
  from: Revision,
) => Promise<OldMessage | null>;

/** The messages view, as far as it has come: `coversTo` is the last revision of the conversation that it holds. */
export type MessageIndex = {
  readonly find: (
    conversationId: ConversationId,
    messageId: MessageId,
  ) => Promise<{ readonly coversTo: Revision; readonly message: OldMessage | null }>;
};

/**
 * Folded aggregates, so that a cold load is short. Disposable: whatever is lost, damaged or of another version is a
 * longer fold.
 *
 * - `load` answers the newest snapshot of that stream that was saved whole under that version, never parts of two and
 *   never damaged bytes; undefined when there is none.
 * - `save` replaces the stream's snapshot, all of it or nothing. A `fixed` chunk that the stream's snapshot of the same
 *   version holds under that name is taken as it is there and not asked for its data. Nothing need be durable.
 * - Both reject when the store cannot be asked. Saves of one stream come one after another.
 */
export type SnapshotStore = {
  readonly load: (stream: StreamName, version: number) => Promise<StoredSnapshot | undefined>;
  readonly save: (stream: StreamName, snapshot: SnapshotHead & { readonly chunks: readonly Chunk[] }) => Promise<void>;
};

export type SnapshotHead = {
  readonly version: number;
  /** Of the last event that was folded in, and that event's id: in another log, or none, there is another event. */
  readonly revision: Revision;
  readonly eventId: EventId;
};
export type StoredSnapshot = SnapshotHead & { readonly chunks: Chunks };

export type Clock = () => number;
/** Random ids. */
export type Ids = { readonly uuid: () => string };
