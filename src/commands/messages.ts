import { isDeepStrictEqual } from "node:util";
import pLimit from "p-limit";
import { decodeConversationEvent } from "../domain/catalogue.js";
import type { ContentType } from "../domain/conversation/conversation.events.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { messageIdOf, type MessageId, type Sequence } from "../domain/kernel/ids.js";
import { unsealed, type Sealed } from "../domain/kernel/sealed.js";
import { streamOf, type Position, type Revision } from "../domain/kernel/stream.js";
import { reject, type Rejection } from "../domain/rejections.js";
import type { Commands, EditMessage, MessageAccepted, SendMessage } from "./commands.js";
import type { EventLog } from "./ports.js";
import { digestsOfEdit } from "./sealing/edits.js";
import { sealReactionNow } from "./sealing/reactions.js";
import type { SealedPlace, Sealing } from "./sealing/sealing.js";
import { changed, type ConversationDone, type ConversationWriter } from "./command-result.js";

export type MessageDependencies = { readonly log: EventLog; readonly sealing: Sealing };

type MessageCommands = Pick<
  Commands,
  "sendMessage" | "sendMessageThen" | "editMessage" | "deleteMessage" | "addReaction" | "removeReaction"
>;

/** Everything about messages: content is sealed on its way to the queue, where its place is taken already. */
export const createMessageCommands = (
  deps: MessageDependencies,
  conversations: ConversationWriter,
): MessageCommands => {
  const about =
    (type: "AddReaction" | "RemoveReaction"): MessageCommands["addReaction"] =>
    async ({ conversationId, messageId, emoji }, context) => {
      const { userId } = context.by;
      const sealed = sealReactionNow(deps.sealing, { conversationId, messageId, emoji, userId });
      return E.map(changed)(await conversations.submit(conversationId, { type, messageId, emoji, sealed, context }));
    };
  return {
    sendMessage: (command, context) =>
      new Promise((resolve, reject) => {
        sendMessage(deps, conversations, command, context, resolve, reject);
      }),
    sendMessageThen: (command, context, settled, failed) => {
      sendMessage(deps, conversations, command, context, settled, failed);
    },
    editMessage: (command, context) => editMessage(deps, conversations, command, context),
    deleteMessage: async ({ conversationId, messageId }, context) =>
      E.map(changed)(await conversations.submit(conversationId, { type: "DeleteMessage", messageId, context })),
    addReaction: about("AddReaction"),
    removeReaction: about("RemoveReaction"),
  };
};

/** By calling back: this runs for every message, and each promise on its way is paid for by the collector as well. */
const sendMessage = (
  deps: MessageDependencies,
  conversations: ConversationWriter,
  sent: SendMessage,
  context: CommandContext,
  settled: (outcome: Either<Rejection, MessageAccepted>) => void,
  failed: (error: unknown) => void,
): void => {
  const { conversationId, clientMessageId, contentType, content } = sent;
  const messageId = messageIdOf(conversationId, context.by, clientMessageId);
  const commandOf = (sealed: Sealed) => {
    const command = { type: "SendMessage" as const, messageId, clientMessageId, contentType, content: sealed, context };
    return isPlain(sent) ? command : { ...command, ...moreOf(sent) };
  };
  const acceptedAt = ({ sequence, pos, at }: Accepted, duplicate: boolean, position: Position): MessageAccepted => {
    return { clientMessageId, messageId, conversationId, sequence, pos, timestamp: at, duplicate, position };
  };
  const sealed = seal(deps.sealing, messageId, contentType, content, context);
  const command = sealed instanceof Promise ? sealed.then(commandOf) : commandOf(sealed);
  conversations.submitThen(
    conversationId,
    command,
    (outcome) => {
      if (E.isLeft(outcome)) {
        settled(outcome);
        return;
      }
      const { events, revision, position } = outcome.right;
      const [written] = events;
      if (written?.type === "MessageSent") {
        settled(E.right(acceptedAt({ sequence: written.sequence, pos: revision, at: written.at }, false, position)));
        return;
      }
      repeated(deps, sent, messageId, outcome.right)
        .then(E.map((accepted: Accepted) => acceptedAt(accepted, true, position)))
        .then(settled, failed);
    },
    failed,
  );
};

const isPlain = ({ replyTo, mentions, forwarded }: SendMessage): boolean =>
  replyTo === undefined && mentions === undefined && forwarded === undefined;

const moreOf = ({ replyTo, mentions, forwarded }: SendMessage) => ({
  ...(replyTo === undefined ? {} : { replyTo }),
  ...(mentions === undefined ? {} : { mentions }),
  ...(forwarded === undefined ? {} : { forwarded }),
});

type Accepted = { readonly sequence: Sequence; readonly pos: Revision; readonly at: number };

/** Where a message stands that was accepted before: it was found for the command. */
const repeated = async (
  deps: MessageDependencies,
  sent: SendMessage,
  messageId: MessageId,
  { command }: ConversationDone,
): Promise<Either<Rejection, Accepted>> => {
  const accepted = command.found?.get(messageId);
  if (!accepted) throw new Error(`message ${messageId} was accepted before, and is not to be found`);
  const difference = await differenceFrom(deps, sent, accepted.pos);
  return difference === undefined ? E.right(accepted) : E.left(difference);
};

const editMessage = async (
  { sealing }: MessageDependencies,
  conversations: ConversationWriter,
  { conversationId, messageId, contentType, content }: EditMessage,
  context: CommandContext,
) => {
  const sealed = seal(sealing, messageId, contentType, content, context);
  const digested = digestsOfEdit(sealing, { messageId, userId: context.by.userId, content });
  // The promise takes the place in the queue: what the connection sends next stays behind it.
  const command = Promise.all([sealed, digested]).then(([ready, digests]) => ({
    type: "EditMessage" as const,
    messageId,
    contentType,
    content: ready,
    digests,
    context,
  }));
  return E.map(changed)(await conversations.submit(conversationId, command));
};

const seal = (sealing: Sealing, messageId: MessageId, type: ContentType, content: string, context: CommandContext) =>
  type === "encrypted" ? unsealed(content) : sealing.seal(content, placeOf(messageId, context));

const placeOf = (messageId: MessageId, { by, now }: CommandContext): SealedPlace => ({
  key: { of: "messages", userId: by.userId, at: now },
  context: messageId,
});

/**
 * Reads of the log at once for repeats. A client that comes back sends everything again that it has no answer for: each
 * of these waits for its turn, since the log refuses what it cannot take. How many wait is bounded by what the gateway
 * takes from its connections.
 */
const repeatReads = pLimit(64);

/** A key names one message: the same content again is a retry, other content a mistake that the client should see. */
const differenceFrom = async (
  deps: MessageDependencies,
  sent: SendMessage,
  pos: Revision,
): Promise<Rejection | undefined> => {
  const stream = streamOf.conversation(sent.conversationId);
  const [recorded] = await repeatReads(() => deps.log.readStream(stream, pos, 1));
  const first = recorded === undefined ? undefined : decodeConversationEvent(recorded);
  if (first?.type !== "MessageSent") throw new Error(`no message at ${sent.conversationId}@${pos}`);
  if (first.replyTo !== sent.replyTo || first.contentType !== sent.contentType) return keyReused;
  if (first.contentType === "encrypted") return undefined;
  const text = await deps.sealing.open(first.messageId, first.content);
  if (text === null || isDeepStrictEqual(JSON.parse(text), JSON.parse(sent.content))) return undefined;
  return keyReused;
};

const keyReused = reject("DUPLICATE_MESSAGE", "This clientMessageId was used for another message; use a new one.");
