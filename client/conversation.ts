import type { ParleyError } from "./errors.js";
import type {
  ChangeFrame,
  Content,
  Conversation,
  InboxState,
  Message,
  MessageAck,
  Role,
  Rollup,
  SignalFrame,
  Summary,
  SyncEntry,
} from "./protocol.js";

/** Whose client this is: from `connected`. */
export type Me = { readonly userId: string; readonly deviceId: string };

/**
 * What this device knows of one conversation. Never changed in place: a new record replaces it.
 *
 * `pos` is the last change that is in here with everything before it; -1 when nothing is known yet. `seenUpTo` is the
 * highest `pos` that a live frame has shown: while it is beyond `pos` there is a gap, and the frames beyond it wait in
 * `held` (at most `heldMax`; those that find no room come with the sync that heals the gap).
 */
export type ConversationState = {
  readonly conversationId: string;
  readonly pos: number;
  readonly seenUpTo: number;
  readonly held: readonly ChangeFrame[];
  /** `unknown`: only a stray frame or an own pending message has named it so far. */
  readonly membership: "unknown" | "member" | "left";
  readonly info: Omit<Conversation, "pos"> | undefined;
  /** The server's at every sync; between two, carried on by the frames. */
  readonly inbox: InboxState;
  /** Whether `inbox.unread` may be wrong: the client asks the server for its count, and this ends with the answer. */
  readonly unreadEstimated: boolean;
  /** Highest `upToSequence` of the expiries that frames have brought. */
  readonly expiredUpTo: number;
  /** Ascending by sequence: what came by frames since this client knows the conversation, and the pages of history asked for. */
  readonly messages: readonly Message[];
  /** The members that frames have named; all of them only on a device that was there from the start. */
  readonly members: ReadonlyMap<string, Role | undefined>;
  /** Cursors of the other party of a direct conversation. */
  readonly receipts: ReadonlyMap<string, { readonly deliveredUpTo: number; readonly readUpTo: number }>;
  /** Newest last; groups only. */
  readonly rollups: readonly Rollup[];
  /** Own messages without their `message.new` yet, oldest first. */
  readonly pending: readonly PendingMessage[];
};

/** `waiting`: not sent, or to be sent again; `accepted`: durable, its frame is on the way; `failed`: refused for good. */
export type PendingMessage = {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly content: Content;
  readonly replyTo?: string;
  readonly mentions?: readonly string[];
  readonly forwarded?: true;
  readonly status:
    | { readonly kind: "waiting" }
    | { readonly kind: "sent" }
    | { readonly kind: "accepted"; readonly ack: MessageAck }
    | { readonly kind: "failed"; readonly error: ParleyError };
};

/** Everything that can happen to a conversation. */
export type ConversationInput =
  | { readonly kind: "live"; readonly frame: ChangeFrame }
  | { readonly kind: "entry"; readonly entry: SyncEntry }
  | { readonly kind: "summary"; readonly summary: Summary }
  /** The conversation as it is now, read after its changes were skipped. */
  | { readonly kind: "info"; readonly info: Conversation }
  | { readonly kind: "left" }
  | { readonly kind: "history"; readonly messages: readonly Message[] }
  | { readonly kind: "signal"; readonly frame: SignalFrame }
  | { readonly kind: "read"; readonly upToSequence: number }
  | { readonly kind: "pending"; readonly message: PendingMessage }
  | { readonly kind: "discard"; readonly clientMessageId: string };

/** What a step means to the application. */
export type ConversationEffect =
  | { readonly kind: "change"; readonly frame: ChangeFrame; readonly live: boolean }
  /** Messages were dropped: page the history. */
  | { readonly kind: "reset" }
  | { readonly kind: "discovered" }
  | { readonly kind: "left" }
  | { readonly kind: "signal"; readonly frame: SignalFrame };

export type Step = { readonly conversation: ConversationState; readonly effects: readonly ConversationEffect[] };

export const bounds = {
  /** Frames that wait behind a gap: a busy second of a large group. */
  heldMax: 1000,
  /** Messages in memory: beyond them the oldest go; history brings them back. */
  messagesMax: 20_000,
  /** The server sends roll-ups for the newest 50 messages only. */
  rollupsMax: 50,
  /** As many as the server names in a reaction. */
  reactionUsersMax: 50,
} as const;

const emptyInbox: InboxState = {
  readUpTo: 0,
  unread: 0,
  pinned: null,
  archived: false,
  mutedUntil: null,
  deliveredToAll: 0,
  readByAll: 0,
  lastMessage: null,
};

export const emptyConversation = (conversationId: string): ConversationState => ({
  conversationId,
  pos: -1,
  seenUpTo: -1,
  held: [],
  membership: "unknown",
  info: undefined,
  inbox: emptyInbox,
  unreadEstimated: false,
  expiredUpTo: 0,
  messages: [],
  members: new Map(),
  receipts: new Map(),
  rollups: [],
  pending: [],
});

/** A gap is healed by asking `sync` for the changes after `pos`. */
export const isGapped = (conversation: ConversationState): boolean => conversation.seenUpTo > conversation.pos;

/** Index of the first element at or beyond `sequence`. */
export function indexOfSequence(messages: readonly Message[], sequence: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle]?.sequence ?? Infinity) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function messageAt(conversation: ConversationState, sequence: number): Message | undefined {
  const found = conversation.messages[indexOfSequence(conversation.messages, sequence)];
  return found?.sequence === sequence ? found : undefined;
}

/** The same list when the message is not in it. */
export function withoutPending(
  pending: readonly PendingMessage[],
  clientMessageId: string | undefined,
): readonly PendingMessage[] {
  const index = pending.findIndex((one) => one.clientMessageId === clientMessageId);
  return index === -1 ? pending : [...pending.slice(0, index), ...pending.slice(index + 1)];
}
