import { bounds, indexOfSequence } from "./conversation.js";
import type { ChangeFrame, Message, NewMessage, Reaction } from "./protocol.js";

type Payload<Type extends ChangeFrame["type"]> = Extract<ChangeFrame, { type: Type }>["payload"];

/**
 * Adds rows; where a sequence is there already, the one that contains more changes stays. What is deleted stays deleted:
 * a frame may have said so ahead of the deletion, and a page that was read before does not know.
 */
export function mergeMessages(held: readonly Message[], rows: readonly Message[]): readonly Message[] {
  const merged = [...held];
  for (const row of rows) {
    const last = merged.at(-1);
    if (last === undefined || last.sequence < row.sequence) {
      merged.push(row);
      continue;
    }
    const index = indexOfSequence(merged, row.sequence);
    const there = merged[index];
    if (there?.sequence !== row.sequence) merged.splice(index, 0, row);
    else if (row.updatedPos >= there.updatedPos && (there.deletedAt === undefined || row.deletedAt !== undefined))
      merged[index] = row;
  }
  return merged;
}

/** The oldest go when there are too many. */
export const boundMessages = (messages: readonly Message[]): readonly Message[] =>
  messages.length > bounds.messagesMax ? messages.slice(-bounds.messagesMax) : messages;

/** A message after an edit, deletion or reaction; the same one when the change is in it already. */
export function updateMessage(message: Message, change: Payload<"message.updated">): Message {
  if (change.pos <= message.updatedPos) return message;
  if (message.erased === true || change.erased === true)
    return { ...updateErased(message, change), updatedPos: change.pos };
  const { content, editedAt, deletedAt, reaction } = change;
  const updated: Message = {
    ...message,
    ...(content === undefined ? {} : { content }),
    ...(editedAt === undefined ? {} : { editedAt }),
    ...(reaction === undefined ? {} : withReactions(react(message.reactions ?? [], reaction))),
    updatedPos: change.pos,
  };
  return deletedAt === undefined ? updated : withoutContent(updated, deletedAt);
}

export function expireMessages(messages: readonly Message[], change: Payload<"message.expired">): readonly Message[] {
  const ids = new Set(change.messageIds ?? []);
  const upTo = change.upToSequence ?? 0;
  return messages.map((message) => {
    const expired = message.sequence <= upTo || ids.has(message.messageId);
    if (!expired || change.pos <= message.updatedPos) return message;
    const updated = { ...message, updatedPos: change.pos };
    // The first deletion says when; an erasure is none.
    const deletedAt = message.erased === true ? undefined : message.deletedAt;
    return withoutContent(updated, deletedAt ?? change.timestamp);
  });
}

/** As history has it: what says something of the content goes with it, and so do edits and reactions. */
function withoutContent<M extends NewMessage>(message: M, deletedAt: number): M {
  const emptied: { -readonly [Field in keyof Message]?: Message[Field] } = { ...message, deletedAt };
  delete emptied.content;
  delete emptied.mentions;
  delete emptied.forwarded;
  delete emptied.media;
  delete emptied.editedAt;
  delete emptied.reactions;
  delete emptied.erased;
  return emptied as M;
}

/** As history has it when the author was erased: a destroyed key has no time of its own. */
export const erasedMessage = <M extends NewMessage>(message: M): M => ({
  ...withoutContent(message, message.timestamp),
  erased: true,
});

/** Of what was erased only a deletion says something more. An edit or a reaction may say as well that it is gone. */
function updateErased(
  message: Message,
  { deletedAt, editedAt, reaction, erased }: Payload<"message.updated">,
): Message {
  const deletes = deletedAt !== undefined && editedAt === undefined && reaction === undefined && erased === undefined;
  return deletes ? withoutContent(message, deletedAt) : erasedMessage(message);
}

const withReactions = (reactions: readonly Reaction[]) => ({ reactions });

/** Counts are trusted to the frames (each is one real change); names are kept as far as the server keeps them. */
function react(
  reactions: readonly Reaction[],
  change: NonNullable<Payload<"message.updated">["reaction"]>,
): readonly Reaction[] {
  const { emoji, userId } = change;
  const known = reactions.find((reaction) => isSameEmoji(reaction.emoji, emoji));
  if (change.removed === true) {
    if (known === undefined) return reactions;
    const count = known.count - 1;
    const userIds = known.userIds.filter((user) => user !== userId);
    return replaceReaction(reactions, { ...known, count, userIds });
  }
  if (known === undefined) return [...reactions, { emoji, count: 1, userIds: [userId] }];
  if (known.userIds.includes(userId)) return reactions;
  const userIds = known.userIds.length < bounds.reactionUsersMax ? [...known.userIds, userId] : known.userIds;
  return replaceReaction(reactions, { ...known, count: known.count + 1, userIds });
}

/** What looks the same is the same: each frame spells an emoji as its user did. */
const isSameEmoji = (one: string, other: string): boolean =>
  one === other || one.normalize("NFC").replaceAll("\uFE0F", "") === other.normalize("NFC").replaceAll("\uFE0F", "");

const replaceReaction = (reactions: readonly Reaction[], changed: Reaction): readonly Reaction[] =>
  reactions
    .map((reaction) => (reaction.emoji === changed.emoji ? changed : reaction))
    .filter((reaction) => reaction.count > 0);
