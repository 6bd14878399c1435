import { bounds, indexOfSequence } from "./conversation.js";
import type { ChangeFrame, Message, Reaction } from "./protocol.js";

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
    // The first deletion says when.
    return withoutContent(updated, message.deletedAt ?? change.timestamp);
  });
}

/** As history has it: edits and reactions go with the content. */
function withoutContent(message: Message, deletedAt: number): Message {
  const emptied: { -readonly [Field in keyof Message]: Message[Field] } = { ...message, deletedAt };
  delete emptied.content;
  delete emptied.editedAt;
  delete emptied.reactions;
  return emptied;
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
