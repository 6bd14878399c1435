import { E } from "../kernel/fp.js";
import type { MessageId, UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { stamping } from "../kernel/stamping.js";
import { formerMember, messageNotFound, reject } from "../rejections.js";
import { emojiOf, type Amendment } from "./amendments.js";
import type {
  AboutMessages,
  Conversation,
  ConversationCommand,
  DeleteMessage,
  EditMessage,
  OldMessage,
  React,
  SendMessage,
  Started,
} from "./conversation.js";
import { emojiKey } from "./emoji.js";
import { mayInGroup } from "./permissions.js";
import { findRecent, mayBeOlderThanRecent, type RecentMessage } from "./recent.js";
import type { Decision, With } from "./decision.js";

/**
 * Messages from before the window that the command cannot be decided without. None while everything is in memory, or
 * certain not to exist.
 */
export const lookUpsFor = (state: Conversation, command: ConversationCommand): readonly MessageId[] => {
  if (state.situation === "absent" || !("messageId" in command)) return [];
  const named = [
    command.messageId,
    ...(command.type === "SendMessage" && command.replyTo !== undefined ? [command.replyTo] : []),
  ];
  return named.filter(
    (id) => !findRecent(state.recent, id) && mayBeOlderThanRecent(state.recent, id) && command.found?.has(id) !== true,
  );
};

export const decideAboutMessage = (state: Started, command: With<AboutMessages>): Decision => {
  switch (command.type) {
    case "SendMessage":
      return decideSend(state, command);
    case "EditMessage":
      return decideEdit(state, command);
    case "DeleteMessage":
      return decideDelete(state, command);
    case "AddReaction":
    case "RemoveReaction":
      return decideReaction(state, command);
  }
};

const decideSend = (state: Started, command: With<SendMessage>): Decision => {
  const { by } = command.context;
  // Before permission: whoever retries learns what became of it, whatever they may do today.
  if (find(state, command, command.messageId)) return E.right([]);
  const member = state.members.get(by.userId);
  if (member === undefined) return E.left(formerMember);
  if (state.profile.kind === "group" && !mayInGroup(member.role, "post", state.profile.settings))
    return E.left(reject("FORBIDDEN", "Only admins can post in this group."));
  const { messageId, clientMessageId, contentType, content, replyTo } = command;
  if (replyTo !== undefined && !visibleMessage(state, command, replyTo)) return E.left(replyNotFound);
  const stamp = stamping(command.context, state.lastAt)();
  const sent = { messageId, sequence: state.lastSequence + 1, clientMessageId, contentType, content };
  return E.right([{ type: "MessageSent", ...stamp, ...sent, ...(replyTo === undefined ? {} : { replyTo }) }]);
};

const decideEdit = (state: Started, command: With<EditMessage>): Decision => {
  const { messageId, contentType, content, digest, context } = command;
  const message = visibleMessage(state, command, messageId);
  if (message === undefined) return notFoundOr(state, context.by.userId);
  if (message.senderId !== context.by.userId) return E.left(reject("FORBIDDEN", "Only its sender can edit a message."));
  if (message.deleted) return E.left(messageNotFound);
  if (message.contentType !== contentType)
    return E.left(
      reject("INVALID_MESSAGE", "An edit keeps the type of the content.", [
        { field: "content.type", expected: `"${message.contentType}"` },
      ]),
    );
  if (message.digest === digest) return E.right([]);
  const stamp = stamping(context, state.lastAt)();
  const { sequence } = message;
  return E.right([{ type: "MessageEdited", ...stamp, messageId, sequence, contentType, content, digest }]);
};

const decideDelete = (state: Started, command: With<DeleteMessage>): Decision => {
  const { messageId, context } = command;
  const message = visibleMessage(state, command, messageId);
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

const decideReaction = (state: Started, command: With<React>): Decision => {
  const { messageId, emoji, context } = command;
  const message = visibleMessage(state, command, messageId);
  if (message === undefined) return notFoundOr(state, context.by.userId);
  if (message.deleted) return E.left(messageNotFound);
  const adding = command.type === "AddReaction";
  if (hasReaction(message, emoji, context.by.userId) === adding) return E.right([]);
  if (adding && !hasRoomFor(message, emoji))
    return E.left(reject("TOO_LARGE", `A message has at most ${limits.reactionsPerMessageMax} different reactions.`));
  const stamp = stamping(context, state.lastAt)();
  const type = adding ? "ReactionAdded" : "ReactionRemoved";
  return E.right([{ type, ...stamp, messageId, sequence: message.sequence, emoji: spelled(message, emoji) }]);
};

/** A message with all that was done to it. */
type Whole = RecentMessage & {
  readonly deleted: boolean;
  readonly digest: string | undefined;
  /** As it was found, and since. */
  readonly reactions: readonly string[];
  readonly added: Amendment["reactions"] | undefined;
};

const hasReaction = ({ reactions, added }: Whole, emoji: string, userId: UserId): boolean => {
  const key = emojiKey(emoji);
  const isIt = (each: string): boolean => each.endsWith(` ${userId}`) && emojiKey(emojiOf(each)) === key;
  return added?.get(key)?.users.has(userId) === true || reactions.some(isIt);
};

/** Different spellings, each once: there are few, whatever the number of users. */
const spellings = (reactions: readonly string[]): ReadonlySet<string> => new Set(reactions.map(emojiOf));

const hasRoomFor = ({ reactions, added }: Whole, emoji: string): boolean => {
  const keys = new Set(added?.keys());
  for (const each of spellings(reactions)) keys.add(emojiKey(each));
  return keys.has(emojiKey(emoji)) || keys.size < limits.reactionsPerMessageMax;
};

/** As it is there already, however this one spells it: clients that compare byte by byte count right as well. */
const spelled = ({ reactions, added }: Whole, emoji: string): string => {
  const key = emojiKey(emoji);
  const known = added?.get(key)?.emoji;
  if (known !== undefined) return known;
  for (const each of spellings(reactions)) if (emojiKey(each) === key) return each;
  return emoji;
};

const find = (state: Started, { found }: With<AboutMessages>, messageId: MessageId) =>
  findRecent(state.recent, messageId) ?? found?.get(messageId) ?? undefined;

/** Undefined also for one that a present member may not see, and for everybody who is not present. */
const visibleMessage = (state: Started, command: With<AboutMessages>, messageId: MessageId): Whole | undefined => {
  const message = find(state, command, messageId);
  const member = state.members.get(command.context.by.userId);
  const { sequence = 0 } = message ?? {};
  if (!message || !member?.visible.some(({ from, to }) => from <= sequence && sequence < to)) return undefined;
  const { deleted = false, digest, reactions = [] }: Partial<OldMessage> = message;
  const amendment = state.amendments.byId.get(messageId);
  return {
    ...message,
    deleted: deleted || amendment?.deleted === true,
    digest: amendment?.digest ?? digest,
    reactions,
    added: amendment?.reactions,
  };
};

const replyNotFound = reject("MESSAGE_NOT_FOUND", "The message that `replyTo` names is not in this conversation.", [
  { field: "replyTo", expected: "the id of a message of this conversation" },
]);
const notFoundOr = (state: Started, userId: UserId): Decision =>
  E.left(state.members.has(userId) ? messageNotFound : formerMember);
