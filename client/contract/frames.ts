/**
 * Every frame of PROTOCOL §3 to §5 with the fields of its payload. A field is there `always` or `maybe`; `unless_gone`
 * and `when_gone` are of a message that has been deleted, has expired or was erased by the time of sending (§1).
 */
export type Presence = "always" | "maybe" | "unless_gone" | "when_gone";
type Fields = Readonly<Record<string, Presence>>;

/** What the server sends that answers nothing is a `change` (with a `pos`), or of another kind: */
type ServerKind =
  | "change"
  /** Of one conversation, without `pos`: sync brings what became of it. */
  | "state"
  /** What is only told. */
  | "signal"
  /** Of all conversations at once, without `pos`: sync names what was missed. */
  | "account"
  | "answer"
  /** About the connection itself. */
  | "connection";

const message = { conversationId: "always", messageId: "always" } as const;
const change = { conversationId: "always", pos: "always", by: "maybe", timestamp: "always" } as const;

/** Client → server. `answer`: what comes back when all is well; without one nothing does. */
export const clientFrames = {
  "message.send": {
    payload: {
      conversationId: "always",
      clientMessageId: "always",
      content: "always",
      expiresIn: "maybe",
      replyTo: "maybe",
      mentions: "maybe",
      forwarded: "maybe",
      pushPreview: "maybe",
    },
    answer: "message.ack",
  },
  "message.edit": { payload: { ...message, content: "always" }, answer: "ack" },
  "message.delete": { payload: message, answer: "ack" },
  "reaction.add": { payload: { ...message, emoji: "always" }, answer: "ack" },
  "reaction.remove": { payload: { ...message, emoji: "always" }, answer: "ack" },
  // One cursor, or a list of them.
  "message.delivered": {
    payload: { conversationId: "maybe", upToSequence: "maybe", cursors: "maybe" },
    answer: "ack",
  },
  "message.read": { payload: { conversationId: "maybe", upToSequence: "maybe", cursors: "maybe" }, answer: "ack" },
  "typing.start": { payload: { conversationId: "always" }, answer: undefined },
  "typing.stop": { payload: { conversationId: "always" }, answer: undefined },
  "presence.subscribe": { payload: { userIds: "always" }, answer: "presence.bulk" },
  "presence.unsubscribe": { payload: { userIds: "always" }, answer: "presence.bulk" },
  sync: {
    payload: { epoch: "maybe", token: "maybe", cursors: "maybe", only: "maybe", limit: "maybe", next: "maybe" },
    answer: "sync.result",
  },
  heartbeat: { payload: { idle: "maybe" }, answer: "heartbeat.ack" },
  "auth.refresh": { payload: { token: "always" }, answer: "ack" },
} as const satisfies Record<string, { readonly payload: Fields; readonly answer: string | undefined }>;

export type ClientFrameType = keyof typeof clientFrames;

/** Server → client. */
export const serverFrames = {
  "message.new": {
    kind: "change",
    payload: {
      messageId: "always",
      conversationId: "always",
      sequence: "always",
      pos: "always",
      senderId: "always",
      senderDeviceId: "maybe",
      clientMessageId: "maybe",
      content: "unless_gone",
      timestamp: "always",
      expiresAt: "maybe",
      replyTo: "maybe",
      mentions: "maybe",
      forwarded: "maybe",
      media: "maybe",
      deletedAt: "when_gone",
      erased: "maybe",
    },
  },
  "message.updated": {
    kind: "change",
    payload: {
      ...change,
      messageId: "always",
      sequence: "always",
      content: "maybe",
      editedAt: "maybe",
      deletedAt: "maybe",
      erased: "maybe",
      reaction: "maybe",
    },
  },
  "message.expired": {
    kind: "change",
    payload: {
      conversationId: "always",
      pos: "always",
      upToSequence: "maybe",
      messageIds: "maybe",
      timestamp: "always",
    },
  },
  "conversation.created": {
    kind: "change",
    payload: { conversation: "always", pos: "always", by: "maybe", timestamp: "always" },
  },
  "conversation.updated": { kind: "change", payload: { ...change, changes: "always" } },
  "member.joined": { kind: "change", payload: { ...change, members: "always", memberCount: "always" } },
  "member.left": { kind: "change", payload: { ...change, userId: "always", memberCount: "always" } },
  "member.role": { kind: "change", payload: { ...change, userId: "always", role: "always" } },

  "receipt.update": {
    kind: "state",
    payload: {
      conversationId: "always",
      userId: "always",
      deliveredUpTo: "maybe",
      readUpTo: "maybe",
      timestamp: "always",
    },
  },
  "receipt.rollup": {
    kind: "state",
    payload: {
      conversationId: "always",
      sequence: "always",
      messageId: "always",
      delivered: "always",
      read: "always",
      of: "always",
      timestamp: "always",
    },
  },
  "inbox.update": {
    kind: "state",
    payload: {
      conversationId: "always",
      pinned: "maybe",
      archived: "maybe",
      mutedUntil: "maybe",
      readUpTo: "maybe",
      unread: "maybe",
      pos: "maybe",
    },
  },

  "typing.update": { kind: "signal", payload: { conversationId: "always", userId: "always", isTyping: "always" } },
  "presence.update": {
    kind: "signal",
    payload: { userId: "always", status: "always", lastSeen: "always", deviceType: "maybe" },
  },
  "device.updated": { kind: "signal", payload: { deviceId: "always", removed: "maybe" } },
  "media.updated": {
    kind: "signal",
    payload: { conversationId: "always", messageId: "always", mediaId: "always", media: "always" },
  },

  "user.erased": { kind: "account", payload: { userId: "always", timestamp: "always" } },

  ack: { kind: "answer", payload: { conversationId: "maybe", pos: "maybe" } },
  "message.ack": {
    kind: "answer",
    payload: {
      clientMessageId: "always",
      messageId: "always",
      conversationId: "always",
      sequence: "always",
      pos: "always",
      timestamp: "always",
      duplicate: "always",
    },
  },
  "heartbeat.ack": { kind: "answer", payload: { serverTime: "always" } },
  "presence.bulk": { kind: "answer", payload: { presences: "always" } },
  "sync.result": {
    kind: "answer",
    payload: {
      epoch: "always",
      reset: "always",
      conversations: "always",
      newConversations: "always",
      left: "always",
      erased: "maybe",
      token: "maybe",
      next: "maybe",
      serverTime: "always",
    },
  },

  connected: {
    kind: "connection",
    payload: {
      connectionId: "always",
      userId: "always",
      deviceId: "always",
      epoch: "always",
      serverTime: "always",
      heartbeatInterval: "always",
      limits: "always",
    },
  },
  "sync.required": { kind: "connection", payload: { conversationId: "maybe" } },
  "server.draining": { kind: "connection", payload: { reconnectAfterMs: "always" } },
  error: {
    kind: "connection",
    payload: {
      code: "always",
      message: "always",
      retryAfter: "maybe",
      limit: "maybe",
      details: "maybe",
      conversationId: "maybe",
      clientMessageId: "maybe",
    },
  },
} as const satisfies Record<string, { readonly kind: ServerKind; readonly payload: Fields }>;

export type ServerFrameType = keyof typeof serverFrames;

/** The types of one kind. */
export type ServerFrameOf<Kind extends ServerKind> = {
  [Type in ServerFrameType]: (typeof serverFrames)[Type]["kind"] extends Kind ? Type : never;
}[ServerFrameType];

/** Undefined for a type that is not known here: a server may be newer. */
export const kindOf = (type: string): ServerKind | undefined =>
  Object.hasOwn(serverFrames, type) ? serverFrames[type as ServerFrameType].kind : undefined;
