import { userIdOf } from "../kernel/by.js";
import { E } from "../kernel/fp.js";
import type { MessageId, UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { stamping } from "../kernel/stamping.js";
import type { Writable } from "../kernel/writable.js";
import { formerMember, messageNotFound, reject } from "../rejections.js";
import { digestOf, reactionKey, type AmendingEvent, type Amendment } from "./amendments.js";
import type { MessageSent } from "./conversation.events.js";
import type {
  AboutMessages,
  ConversationCommand,
  DeleteMessage,
  EditMessage,
  OldMessage,
  React,
  SealedReaction,
  SendMessage,
  Started,
} from "./conversation.js";
import { emojiKey } from "./emoji.js";
import { amendmentsOf, editDigestOf, findMessage, mayBeEvicted, type Messages } from "./messages.js";
import { mayInGroup } from "./permissions.js";
import type { RecentMessage } from "./recent.js";
import type { Decision, With } from "./decision.js";

/**
 * Messages from before the window that the command cannot be decided without. None while everything is in memory, or
 * certain not to exist.
 */
export const lookUpsFor = (messages: Messages, command: ConversationCommand): readonly MessageId[] => {
  if (!("messageId" in command)) return none;
  const { messageId } = command;
  const replyTo = command.type === "SendMessage" ? command.replyTo : undefined;
  const isMissing = (id: MessageId): boolean =>
    !findMessage(messages, id) && mayBeEvicted(messages, id) && command.found?.has(id) !== true;
  // A new message that answers none: nearly all of them.
  if (replyTo === undefined) return isMissing(messageId) ? [messageId] : none;
  return [messageId, replyTo].filter(isMissing);
};
const none: readonly MessageId[] = [];

export const decideAboutMessage = (state: Started, command: With<AboutMessages>, messages: Messages): Decision => {
  switch (command.type) {
    case "SendMessage":
      return decideSend(state, command, messages);
    case "EditMessage":
      return decideEdit(state, command, messages);
    case "DeleteMessage":
      return decideDelete(state, command, messages);
    case "AddReaction":
    case "RemoveReaction":
      return decideReaction(state, command, messages);
  }
};

const decideSend = (state: Started, command: With<SendMessage>, messages: Messages): Decision => {
  const { by } = command.context;
  // Before permission: a sender who retries learns what became of it, whatever the sender may do today.
  if (find(messages, command, command.messageId)) return E.right([]);
  const member = state.members.get(by.userId);
  if (member === undefined) return E.left(formerMember);
  if (state.profile.kind === "group" && !mayInGroup(member.role, "post", state.profile.settings))
    return E.left(reject("FORBIDDEN", "Only admins can post in this group."));
  const { messageId, clientMessageId, contentType, content, replyTo, forwarded } = command;
  if (replyTo !== undefined && !visibleMessage(state, command, replyTo, messages)) return E.left(replyNotFound);
  const { id, at } = stamping(command.context, state.lastAt)();
  const sequence = state.lastSequence + 1;
  // Written out, since it runs for every message: spreads of these objects cost 2 µs.
  const sent: Writable<MessageSent> = {
    type: "MessageSent",
    id,
    at,
    by,
    messageId,
    sequence,
    clientMessageId,
    contentType,
    content,
  };
  if (replyTo !== undefined) sent.replyTo = replyTo;
  const mentions = command.mentions && membersAmong(state, command.mentions);
  if (mentions !== undefined && mentions.length > 0) sent.mentions = mentions;
  if (forwarded !== undefined) sent.forwarded = forwarded;
  return E.right([sent]);
};

/** Each once. */
const membersAmong = ({ members }: Started, userIds: readonly UserId[]): readonly UserId[] =>
  [...new Set(userIds)].filter((userId) => members.has(userId));

const decideEdit = (state: Started, command: With<EditMessage>, messages: Messages): Decision => {
  const { messageId, contentType, content, digests, context } = command;
  const message = visibleMessage(state, command, messageId, messages);
  if (message === undefined) return notFoundOr(state, context.by.userId);
  if (message.senderId !== context.by.userId) return E.left(reject("FORBIDDEN", "Only its sender can edit a message."));
  if (message.deleted) return E.left(messageNotFound);
  if (message.contentType !== contentType)
    return E.left(
      reject("INVALID_MESSAGE", "An edit keeps the type of the content.", [
        { field: "content.type", expected: `"${message.contentType}"` },
      ]),
    );
  if (message.digest !== undefined && digests.includes(message.digest)) return E.right([]);
  const stamp = stamping(context, state.lastAt)();
  const { sequence } = message;
  const [digest] = digests;
  return E.right([{ type: "MessageEdited", ...stamp, messageId, sequence, contentType, content, digest }]);
};

const decideDelete = (state: Started, command: With<DeleteMessage>, messages: Messages): Decision => {
  const { messageId, context } = command;
  const message = visibleMessage(state, command, messageId, messages);
  if (message === undefined) return notFoundOr(state, context.by.userId);
  if (message.senderId !== context.by.userId && !mayModerate(state, context.by.userId))
    return E.left(reject("FORBIDDEN", "Only its sender, and in groups admins and owners, can delete a message."));
  if (message.deleted) return E.right([]);
  const { sequence } = message;
  return E.right([{ type: "MessageDeleted", ...stamping(context, state.lastAt)(), messageId, sequence }]);
};

const mayModerate = ({ members, profile }: Started, userId: UserId): boolean => {
  const member = members.get(userId);
  return profile.kind === "group" && member !== undefined && mayInGroup(member.role, "deleteOthers", profile.settings);
};

const decideReaction = (state: Started, command: With<React>, messages: Messages): Decision => {
  const { messageId, emoji, sealed, context } = command;
  const message = visibleMessage(state, command, messageId, messages);
  if (message === undefined) return notFoundOr(state, context.by.userId);
  if (message.deleted) return E.left(messageNotFound);
  if (sealed === undefined) return E.left(notSealedYet);
  const digests = sealed.digestsOf(emojiKey(emoji));
  const there = digests.filter((digest) => hasReaction(message, digest, context.by.userId));
  const about = { messageId, sequence: message.sequence, emoji: sealed.emoji };
  const stamp = stamping(context, state.lastAt);
  if (command.type === "RemoveReaction")
    return E.right(there.map((digest) => ({ type: "ReactionRemoved", ...stamp(), ...about, digest })));
  if (there.length > 0) return E.right([]);
  if (!hasRoomFor(message, digests, sealed))
    return E.left(reject("TOO_LARGE", `A message has at most ${limits.reactionsPerMessageMax} different reactions.`));
  return E.right([{ type: "ReactionAdded", ...stamp(), ...about, digest: digests[0] }]);
};

/** A message with all that was done to it. */
type Whole = RecentMessage & {
  readonly deleted: boolean;
  readonly digest: string | undefined;
  /** As it was found, and since, and by what is decided and not accepted yet. */
  readonly reactions: readonly string[];
  readonly added: Amendment["reactions"] | undefined;
  readonly decided: readonly ReactionEvent[];
};
type ReactionEvent = Extract<AmendingEvent, { type: "ReactionAdded" | "ReactionRemoved" }>;

const hasReaction = ({ reactions, added, decided }: Whole, digest: string, userId: UserId): boolean => {
  const newest = decided.findLast((event) => event.digest === digest && userIdOf(event.by) === userId);
  if (newest !== undefined) return newest.type === "ReactionAdded";
  return added?.get(digest)?.has(userId) === true || reactions.includes(reactionKey(digest, userId));
};

/** Anybody may join a reaction that is there. */
const hasRoomFor = (message: Whole, digests: readonly string[], { digestsOf }: SealedReaction): boolean => {
  const there = digestsThere(message);
  if (there.size < limits.reactionsPerMessageMax || digests.some((digest) => there.has(digest))) return true;
  // What an older version left in its own form may be there in today's as well: then it is one. A digest of today has no
  // other form, so that asking for it finds none.
  const twice = [...there].filter((digest) => digestsOf(digest).some((form) => form !== digest && there.has(form)));
  return there.size - twice.length < limits.reactionsPerMessageMax;
};

const digestsThere = ({ reactions, added, decided }: Whole): ReadonlySet<string> => {
  const users = new Map<string, number>();
  for (const [digest, { size }] of added ?? []) users.set(digest, size);
  for (const reaction of reactions) users.set(digestOf(reaction), (users.get(digestOf(reaction)) ?? 0) + 1);
  for (const { type, digest } of decided)
    users.set(digest, (users.get(digest) ?? 0) + (type === "ReactionAdded" ? 1 : -1));
  return new Set([...users].flatMap(([digest, count]) => (count > 0 ? [digest] : [])));
};

const find = (messages: Messages, { found }: With<AboutMessages>, messageId: MessageId) =>
  findMessage(messages, messageId) ?? found?.get(messageId) ?? undefined;

/** Undefined also for one that a present member may not see, and for every user who is not present. */
const visibleMessage = (
  state: Started,
  command: With<AboutMessages>,
  messageId: MessageId,
  messages: Messages,
): Whole | undefined => {
  const message = find(messages, command, messageId);
  const member = state.members.get(command.context.by.userId);
  const { sequence = 0 } = message ?? {};
  if (!message || !member?.visible.some(({ from, to }) => from <= sequence && sequence < to)) return undefined;
  const { deleted = false, digest, reactions = [] }: Partial<OldMessage> = message;
  const { known, decided } = amendmentsOf(messages, messageId);
  return {
    ...message,
    deleted: deleted || known?.deleted === true || decided.some(({ type }) => type === "MessageDeleted"),
    digest: editDigestOf(messages, messageId) ?? digest,
    reactions,
    added: known?.reactions,
    decided: decided.filter((event) => event.type === "ReactionAdded" || event.type === "ReactionRemoved"),
  };
};

/** Said only if what should have read the key for a member has not: `decide` asks nobody. */
const notSealedYet = { ...reject("UNAVAILABLE", "The reaction could not be sealed; try again."), retryAfter: 1 };

const replyNotFound = reject("MESSAGE_NOT_FOUND", "The message that `replyTo` names is not in this conversation.", [
  { field: "replyTo", expected: "the id of a message of this conversation" },
]);
const notFoundOr = (state: Started, userId: UserId): Decision =>
  E.left(state.members.has(userId) ? messageNotFound : formerMember);
