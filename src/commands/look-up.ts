import { decodeConversationEvent } from "../domain/catalogue.js";
import { reactionKey } from "../domain/conversation/amendments.js";
import { lookUpsFor } from "../domain/conversation/message.decide.js";
import { amendmentsKnownFrom, editDigestOf, findMessage, type Messages } from "../domain/conversation/messages.js";
import type { Conversation, ConversationCommand, OldMessage } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { userIdOf } from "../domain/kernel/by.js";
import type { ConversationId, MessageId } from "../domain/kernel/ids.js";
import { noRevision, revisionAfter, streamOf, type Revision } from "../domain/kernel/stream.js";
import { streamEvents } from "../domain/kernel/stream-pages.js";
import { LogError, type EventLog, type LookUpMessage, type MessageIndex } from "./ports.js";
import { isDigestOfBefore } from "./sealing/edits.js";
import { sealReaction } from "./sealing/reactions.js";
import type { Folded, Reading } from "./routes.js";
import type { Sealing } from "./sealing/sealing.js";

/**
 * What the view says, and what the stream says has happened since, where it has not come far enough. Accepting depends
 * on no view: when one fails to answer, which its owner reports, the stream takes its place: slow, and always right.
 * Where that would be too much to read, a command that needs it is refused until the view is back.
 */
export const lookUpIn =
  (index: MessageIndex, log: Pick<EventLog, "readStream">): LookUpMessage =>
  async (conversationId, messageId, from) => {
    const { coversTo, message } = await index.find(conversationId, messageId).catch(() => nothingFound);
    return coversTo >= from - 1
      ? message
      : foldMessage(log, conversationId, messageId, message, revisionAfter(coversTo), from);
  };

/** What a command cannot be decided without: messages from before the window, the keys of a reaction, what an edit of before is. See `Route.reading`. */
export const readingWith =
  (lookUp: LookUpMessage, sealing: Sealing) =>
  (
    { state, index }: Folded<Conversation, Messages>,
    command: ConversationCommand,
  ): Reading<ConversationCommand> | undefined => {
    if (state.situation === "absent") return undefined;
    const { id } = state;
    const missing = lookUpsFor(index, command);
    const reaction = isUnsealed(command) && state.members.has(command.context.by.userId) ? command : undefined;
    if (missing.length === 0 && reaction === undefined && editOfBefore(index, command) === undefined) return undefined;
    const find = async (messageId: MessageId) =>
      [messageId, await lookUp(id, messageId, amendmentsKnownFrom(index, messageId))] as const;
    return async () => {
      const [found, sealed] = await Promise.all([
        Promise.all(missing.map(find)),
        reaction && sealReaction(sealing, { ...reaction, conversationId: id, userId: reaction.context.by.userId }),
      ]);
      const known = { ...command, found: new Map([...(command.found ?? []), ...found]) };
      const edit = editOfBefore(index, known);
      if (edit !== undefined) return knowingEdit(sealing, edit);
      return sealed === undefined ? known : { ...known, sealed };
    };
  };

type EditOfBefore = { readonly edit: Extract<ConversationCommand, { readonly type: "EditMessage" }> } & {
  readonly there: string;
  readonly sentAt: number;
};

/** An edit of a message of one's own that was last edited under the rule of before, which cannot be compared at once. */
const editOfBefore = (index: Messages, edit: ConversationCommand): EditOfBefore | undefined => {
  if (edit.type !== "EditMessage") return undefined;
  const { messageId, context } = edit;
  const found = edit.found?.get(messageId);
  const message = findMessage(index, messageId) ?? found;
  const there = editDigestOf(index, messageId) ?? found?.digest;
  if (!message || there === undefined || !isDigestOfBefore(there)) return undefined;
  return message.senderId === context.by.userId ? { edit, there, sentAt: message.at } : undefined;
};

/** Says of the edit that what is there is the same, where it is. */
const knowingEdit = async (sealing: Sealing, { edit, there, sentAt }: EditOfBefore): Promise<ConversationCommand> => {
  const { messageId: context, context: command, content: sealed, digests } = edit;
  const content = await sealing.open(context, sealed);
  if (content === null) return edit;
  const { userId } = command.by;
  const isSame = await sealing.hadAsEdit(there, { content, context, userId, from: sentAt, to: command.now });
  return isSame ? { ...edit, digests: [...digests, there] } : edit;
};

const isUnsealed = (
  command: ConversationCommand,
): command is Extract<ConversationCommand, { readonly emoji: string }> =>
  "emoji" in command && command.sealed === undefined;

const nothingFound = { coversTo: noRevision, message: null };

const pageEvents = 1_000;
/** Events that are read in place of a view, a quarter of a second of them: it holds up its conversation, and others' reads. */
const foldedEventsMax = 10_000;

/** The message with what the revisions from `start` up to, not including, `end` say of it. */
const foldMessage = async (
  log: Pick<EventLog, "readStream">,
  conversationId: ConversationId,
  messageId: MessageId,
  before: OldMessage | null,
  start: Revision,
  end: Revision,
): Promise<OldMessage | null> => {
  if (end - start > foldedEventsMax)
    throw new LogError("UNAVAILABLE", `the view of messages is ${end - start} events behind in ${conversationId}`);
  let message = before;
  const reactions = new Set(before?.reactions);
  const part = { from: start, to: revisionAfter(end, -1), pageEvents };
  for await (const recorded of streamEvents(log, streamOf.conversation(conversationId), part)) {
    const event = decodeConversationEvent(recorded);
    if (!("messageId" in event) || event.messageId !== messageId) continue;
    if (event.type === "MessageSent") message = sentMessage(event, recorded.revision);
    else if (event.type === "MessageEdited") message = message && { ...message, digest: event.digest };
    else if (event.type === "MessageDeleted") message = message && { ...message, deleted: true };
    else if (event.type === "ReactionAdded") reactions.add(reactionKey(event.digest, userIdOf(event.by)));
    else reactions.delete(reactionKey(event.digest, userIdOf(event.by)));
  }
  return message && { ...message, reactions: [...reactions] };
};

const sentMessage = (event: Extract<ConversationEvent, { type: "MessageSent" }>, pos: Revision): OldMessage => ({
  messageId: event.messageId,
  sequence: event.sequence,
  pos,
  at: event.at,
  senderId: userIdOf(event.by),
  contentType: event.contentType,
  deleted: false,
  reactions: [],
});
