import { t } from "../kernel/fp.js";
import type { ByPerson } from "../kernel/by.js";
import type { EventContext } from "../kernel/decider.js";
import { sealedCodec, sealedTextCodec, unsealed, type SealedText } from "../kernel/sealed.js";
import { emojiKey } from "./emoji.js";

/**
 * Stored formats of `conversation-{id}`. A format changes only by a new version in `catalogue.ts`, with an upcaster and
 * a golden file. Actor and time (`by`, `at`) stand in the event's metadata, the event's id is the log's.
 */

export const roleCodec = t.keyof({ owner: null, admin: null, member: null });
export type Role = t.TypeOf<typeof roleCodec>;

export const historyVisibilityCodec = t.keyof({ since_join: null, all: null });

/** Always complete in the log, so that a reader needs no defaults of the day. */
export const settingsCodec = t.type({
  onlyAdminsCanPost: t.boolean,
  onlyAdminsCanEdit: t.boolean,
  allowMemberInvites: t.boolean,
  historyVisibility: historyVisibilityCodec,
});
export type Settings = t.TypeOf<typeof settingsCodec>;

export const defaultSettings: Settings = {
  onlyAdminsCanPost: false,
  onlyAdminsCanEdit: false,
  allowMemberInvites: true,
  historyVisibility: "since_join",
};

export const contentTypeCodec = t.keyof({
  text: null,
  image: null,
  video: null,
  audio: null,
  document: null,
  location: null,
  encrypted: null,
});
export type ContentType = t.TypeOf<typeof contentTypeCodec>;

export const kindCodec = t.keyof({ direct: null, group: null });
export type ConversationKind = t.TypeOf<typeof kindCodec>;

/** What a conversation is apart from its messages and members; `text`: how its name and description stand there. */
const profileWith = <C extends t.Mixed>(text: C) =>
  t.intersection([
    t.type({ kind: kindCodec, createdBy: t.string, createdAt: t.number, settings: settingsCodec }),
    t.partial({ name: text, description: text, avatarMediaId: t.string, messageTtl: t.number }),
  ]);
const profileCodec1 = profileWith(t.string);
/** `name`, `description`: under the conversation's own key, so that they outlive the erasure of their authors. */
const profileCodec = profileWith(sealedTextCodec);
export type ConversationProfile = t.TypeOf<typeof profileCodec>;

const startedWith = <C extends t.Mixed>(profile: C) =>
  t.type({
    conversationId: t.string,
    /** The cell this conversation lives in. */
    home: t.string,
    profile,
  });
/** Before names and descriptions were sealed. */
export const conversationStartedCodec1 = startedWith(profileCodec1);
export const conversationStartedCodec = startedWith(profileCodec);

/** `sequence` is the last message's when they joined: where a newcomer's cursors start. */
const joinedWith = <C extends t.Mixed>(profile: C) =>
  t.type({
    members: t.array(t.type({ userId: t.string, role: roleCodec })),
    /** First sequence that they may see, as `historyVisibility` decided it then. */
    visibleFrom: t.number,
    sequence: t.number,
    memberCount: t.number,
    /** The conversation as it was then: `conversation.created` is a function of this event alone. */
    profile,
  });
/** Before names and descriptions were sealed. */
export const memberJoinedCodec1 = joinedWith(profileCodec1);
/** The sealed texts are copies of those that the conversation has: nothing is sealed anew. */
export const memberJoinedCodec = joinedWith(profileCodec);

/** A message is visible iff `visibleFrom ≤ sequence < leftAt` in one of the reader's intervals. */
export const memberLeftCodec = t.type({ userId: t.string, leftAt: t.number, memberCount: t.number });

export const memberRoleChangedCodec = t.type({ userId: t.string, role: roleCodec });

const changedWith = <C extends t.Mixed>(text: C) =>
  t.type({
    changes: t.partial({
      name: text,
      description: text,
      avatarMediaId: t.string,
      settings: settingsCodec,
      messageTtl: t.union([t.number, t.null]),
    }),
  });
/** Before names and descriptions were sealed. */
export const settingsChangedCodec1 = changedWith(t.string);
export const settingsChangedCodec = changedWith(sealedTextCodec);

/** Names and descriptions of before stand in the log as they were written; nothing is sealed when they are read. */
export const upcastProfile = <E extends { readonly profile: t.TypeOf<typeof profileCodec1> }>(event: E) => ({
  ...event,
  profile: { ...event.profile, ...unsealedTexts(event.profile) },
});
export const upcastChanges = ({ changes, ...event }: t.TypeOf<typeof settingsChangedCodec1>) => ({
  ...event,
  changes: { ...changes, ...unsealedTexts(changes) },
});

type Texts<T> = { readonly name?: T; readonly description?: T };
const unsealedTexts = ({ name, description }: Texts<string>): Texts<SealedText> => ({
  ...(name === undefined ? {} : { name: unsealed(name) }),
  ...(description === undefined ? {} : { description: unsealed(description) }),
});

const messageSentFields = {
  required: {
    messageId: t.string,
    sequence: t.number,
    clientMessageId: t.string,
    contentType: contentTypeCodec,
    /** The JSON text, sealed as the message's id. */
    content: sealedCodec,
  },
  optional: { replyTo: t.string, expiresAt: t.number },
};
/** Before a message could name members, be forwarded or come from elsewhere. */
export const messageSentCodec1 = t.intersection([
  t.type(messageSentFields.required),
  t.partial(messageSentFields.optional),
]);
/**
 * `mentions`: members when it was sent, each once; never empty. `origin`: of imported history, where it was said first:
 * `id` is the message's in `source`, `at` the time of sending there.
 */
export const messageSentCodec = t.intersection([
  t.type(messageSentFields.required),
  t.partial({
    ...messageSentFields.optional,
    mentions: t.readonlyArray(t.string),
    forwarded: t.literal(true),
    origin: t.type({ source: t.string, id: t.string, at: t.number }),
  }),
]);

/**
 * `digest`: a keyed digest of the content, so that the same edit again can be told without opening anything, and tells
 * nothing once the key is gone.
 */
export const messageEditedCodec = t.type({
  messageId: t.string,
  sequence: t.number,
  contentType: contentTypeCodec,
  content: sealedCodec,
  digest: t.string,
});

export const messageDeletedCodec = t.type({ messageId: t.string, sequence: t.number });

/** Of before emoji were sealed. */
export const reactionCodec1 = t.type({ messageId: t.string, sequence: t.number, emoji: t.string });
/**
 * `emoji`: as its user spelled it, sealed under the user's profile key. `digest`: of its `emojiKey`, keyed by the
 * conversation, so that what is one emoji has one digest, whoever reacts with it and when. Of before it is the key itself,
 * which is shorter than any digest: the same emoji in both forms is told apart only by one who has both.
 */
export const reactionCodec = t.type({ messageId: t.string, sequence: t.number, emoji: sealedCodec, digest: t.string });

export const upcastReaction = ({
  emoji,
  ...about
}: t.TypeOf<typeof reactionCodec1>): t.TypeOf<typeof reactionCodec> => ({
  ...about,
  emoji: unsealed(emoji),
  digest: emojiKey(emoji),
});

export type ConversationStarted = { readonly type: "ConversationStarted" } & EventContext &
  Readonly<t.TypeOf<typeof conversationStartedCodec>>;
export type MemberJoined = { readonly type: "MemberJoined" } & EventContext &
  Readonly<t.TypeOf<typeof memberJoinedCodec>>;
export type MemberLeft = { readonly type: "MemberLeft" } & EventContext & Readonly<t.TypeOf<typeof memberLeftCodec>>;
export type MemberRoleChanged = { readonly type: "MemberRoleChanged" } & EventContext &
  Readonly<t.TypeOf<typeof memberRoleChangedCodec>>;
export type SettingsChanged = { readonly type: "SettingsChanged" } & EventContext &
  Readonly<t.TypeOf<typeof settingsChangedCodec>>;
/** Its actor is a user of the chat: the sender. */
export type MessageSent = { readonly type: "MessageSent" } & EventContext<ByPerson> &
  Readonly<t.TypeOf<typeof messageSentCodec>>;

export type MessageEdited = { readonly type: "MessageEdited" } & EventContext &
  Readonly<t.TypeOf<typeof messageEditedCodec>>;
export type MessageDeleted = { readonly type: "MessageDeleted" } & EventContext &
  Readonly<t.TypeOf<typeof messageDeletedCodec>>;
export type ReactionAdded = { readonly type: "ReactionAdded" } & EventContext<ByPerson> &
  Readonly<t.TypeOf<typeof reactionCodec>>;
export type ReactionRemoved = { readonly type: "ReactionRemoved" } & EventContext<ByPerson> &
  Readonly<t.TypeOf<typeof reactionCodec>>;

export type ConversationEvent =
  | ConversationStarted
  | MemberJoined
  | MemberLeft
  | MemberRoleChanged
  | SettingsChanged
  | MessageSent
  | MessageEdited
  | MessageDeleted
  | ReactionAdded
  | ReactionRemoved;
