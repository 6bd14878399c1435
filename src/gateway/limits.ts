/**
 * Every bound of what a session, a frame or a REST call may hold, with its reason. Bounds of events and groups are the
 * domain's (`domain/kernel/limits.ts`), those of sockets and outboxes stand in `outbox.ts` and `transport/transport.ts`.
 */
export const gatewayLimits = {
  /** A text of 16 KiB whose every character is escaped (`\u00e9`) is 48 KiB; 1,000 sync cursors are 60 KiB. */
  frameBytesMax: 128 * 1024,
  /** Nesting of what is opaque to us: common parsers stop at 512 or 1,000 levels, our own stack at some thousand. */
  jsonLevelsMax: 256,
  /** Cursors of one `message.delivered` / `message.read`: PROTOCOL §4. */
  receiptCursorsMax: 100,
  /** Cursors of one sync: PROTOCOL §7. */
  syncCursorsMax: 1000,
  syncChangesMax: 1000,
  /** PROTOCOL §4: a family with its skin tones and joiners has some ten code points. */
  emojiCharsMax: 32,
  displayNameCharsMax: 100,
  /** Users that one `POST …/members` names: one event's worth. */
  addMembersMax: 256,
  pageMax: 200,
  pageDefault: 50,
  /** A page's cursor is a key of the view, encoded. */
  cursorCharsMax: 2048,
  /** Any id of a conversation that we make has 24 characters; what is longer was never ours and is not echoed. */
  conversationIdCharsMax: 128,
  /** `details` of one answer: a client mends its first mistakes first, and an answer stays smaller than its request. */
  detailsMax: 16,

  /** Requests of one connection without an answer; every receipt cursor counts as one. An outbox of 1,000 messages fits. */
  requestsInFlightMax: 2048,
  /** Their text: what one connection may make the server hold. */
  bytesInFlightMax: 4 * 1024 * 1024,
  /**
   * Refusals for sending too fast, each of a request that came before the time to wait of the one before it was over. An
   * outbox of 1,000 messages is under way before its sender reads the first of them; a client that goes on floods.
   */
  refusalsUnheededMax: 1024,
  /** Frames that come before `connected` is sent: a client that does not wait sends its outbox. */
  framesBeforeConnectedMax: 1024,
  bytesBeforeConnectedMax: 1024 * 1024,
  /** How long a receipt may wait for others to share its event (DESIGN §6). */
  receiptsDelayMsMax: 250,
  /** Receipts waiting for one conversation: beyond it they are written at once, since a refusal tries each by itself. */
  receiptsWaitingMax: 64,
  /** Conversations with waiting receipts on one connection. */
  receiptConversationsMax: 256,
  /** Heartbeat intervals without a text frame until a connection counts as lost: PROTOCOL §3. */
  heartbeatsMissedMax: 3,

  /** Users whose newest write is known one by one; the others wait for the newest write forgotten. */
  writersRememberedMax: 10_000,
  /** Devices that are looked at in the log at the same time, when removals may have been missed. */
  removalsAtOnceMax: 16,
  /** Between two questions to a log that does not answer: sixteen in five seconds harm no log, and a removed device is out soon after. */
  removalPauseMsMin: 250,
  removalPauseMsMax: 5_000,
  /** Devices that need not be registered again; an entry is some 200 bytes. */
  devicesRememberedMax: 100_000,
  /**
   * REST calls of one user at work: an eighth of all places, and twice what ten devices with a browser's six connections
   * each can ask at once.
   */
  callsOfUserMax: 128,
  /** How long a read waits for more than its user's own writes: views that keep up need some 5 to 70 ms. */
  headWaitMsMax: 200,
  /** A device in use is told to the others so often: `lastSeen` is right to the hour (PROTOCOL §6). */
  usesMs: 30 * 60_000,
  /** Catch-ups that read the views at once: enough to keep a store busy, few enough that a page's read stays quick. */
  catchUpsAtOnceMax: 32,
  /** Catch-ups that wait for their turn, after a restart with all clients coming back. */
  catchUpsWaitingMax: 10_000,
  /** Of one user, at work or waiting: ten devices that each heal two dozen conversations one by one. */
  catchUpsOfUserMax: 256,
  /** Seconds that a refused client waits. */
  retryAfterS: 1,
  /** Spread of reconnects after a failed registration. */
  reconnectAfterMsMin: 1000,
  reconnectAfterMsMax: 6000,
  /**
   * A drain as a whole: a second for what is in flight, three to tell every client, five for outboxes to empty; and all
   * of it for what is in flight still, unless the log is away. What has no answer then is asked again with its key.
   */
  drainMsMax: 9_000,
} as const;

/** What a client is told about sizes, and what its frames are held to. Bytes. */
export type SizeLimits = { readonly maxMessageBytes: number; readonly maxFrameBytes: number };
