import { isDeepStrictEqual } from "node:util";
import { decodeConversationEvent } from "../domain/catalogue.js";
import {
  acceptedMessage,
  type Conversation,
  type SendMessage as SendMessageCommand,
} from "../domain/conversation/conversation.js";
import { isOrWasMember } from "../domain/conversation/conversation.decide.js";
import { defaultSettings } from "../domain/conversation/conversation.events.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import { E } from "../domain/kernel/fp.js";
import { directConversationId, groupConversationId, messageIdOf } from "../domain/kernel/ids.js";
import { streamOf } from "../domain/kernel/stream.js";
import { conversationNotFound, reject, type Rejection } from "../domain/rejections.js";
import type { AdvanceReceipts, Commands, MessageAccepted, Outcome, SendMessage, StartGroup } from "./commands.js";
import type { EventLog, Ids } from "./ports.js";
import { routes } from "./routes.js";
import { unsealed, type Sealing } from "./sealing.js";
import { createWriter } from "./writer.js";

export type CommandDependencies = {
  readonly log: EventLog;
  readonly sealing: Sealing;
  readonly ids: Ids;
  /** Name of the cell, written into first events. */
  readonly home: string;
};

/** The write side: every command on its aggregate's queue. `pending` counts what was submitted and is not settled. */
export const createCommands = (deps: CommandDependencies): Commands & { readonly pending: () => number } => {
  const { log, home, ids } = deps;
  const conversations = createWriter(log, routes.conversation);
  const receipts = createWriter(log, routes.receipts);
  const users = createWriter(log, routes.user);

  const start = async (id: string, command: Omit<Start, "type" | "context">, context: CommandContext) => {
    const settled = await conversations.submit(id, { type: "StartConversation", ...command, context });
    if (E.isLeft(settled)) return settled;
    const created = settled.right.events.length > 0;
    // What somebody else started is not among the caller's own changes: the answer shows it all the same.
    return E.right({ conversationId: id, created, position: created ? settled.right.position : await log.head() });
  };

  return {
    pending: () => conversations.pending() + receipts.pending() + users.pending(),

    registerDevice: async ({ deviceType }, context) =>
      users.submit(context.by.userId, {
        type: "RegisterDevice",
        home,
        ...(deviceType === undefined ? {} : { deviceType }),
        context,
      }),

    startDirect: ({ peerId }, context) => {
      const id = directConversationId(context.by.userId, peerId);
      const members = [context.by.userId, peerId].map((userId) => ({ userId, role: "member" as const }));
      const profile = { kind: "direct" as const, settings: defaultSettings };
      return start(id, { conversationId: id, home, profile, members }, context);
    },

    startGroup: (command, context) => {
      const { clientRequestId } = command;
      const named = clientRequestId === undefined ? { random: ids.uuid() } : { clientRequestId };
      const id = groupConversationId(context.by.userId, named);
      return start(id, { conversationId: id, home, ...groupOf(command, context.by.userId) }, context);
    },

    addMembers: async ({ conversationId, userIds }, context) => {
      const settled = await conversations.submit(conversationId, { type: "JoinMembers", userIds, context });
      return E.map((done: Done) => {
        const joins = done.events.filter((event) => event.type === "MemberJoined");
        const memberCount = done.state.situation === "started" ? done.state.members.size : 0;
        return {
          ...changed(done),
          added: joins.flatMap((join) => join.members.map(({ userId }) => userId)),
          memberCount,
        };
      })(settled);
    },

    removeMember: async ({ conversationId, userId }, context) =>
      E.map(changed)(await conversations.submit(conversationId, { type: "RemoveMember", userId, context })),

    sendMessage: (command, context) => sendMessage(deps, conversations, command, context),

    advanceReceipts: async (command, context) => {
      const refusal = refusalOf(await conversations.current(command.conversationId), command, context);
      if (refusal !== undefined) return E.left(refusal);
      return receipts.submit(command.conversationId, { type: "AdvanceCursors", ...command, context });
    },
  };
};

type ConversationWriter = ReturnType<
  typeof createWriter<
    Parameters<typeof routes.conversation.decider.decide>[1],
    Conversation,
    Parameters<typeof routes.conversation.decider.evolve>[1]
  >
>;
type Done = Extract<Awaited<ReturnType<ConversationWriter["submit"]>>, { _tag: "Right" }>["right"];
type Start = Extract<Parameters<typeof routes.conversation.decider.decide>[1], { type: "StartConversation" }>;

const changed = ({ events, revision, position }: Done) => ({
  position,
  ...(events.length > 0 ? { pos: revision } : {}),
});

const groupOf = (command: StartGroup, creator: string) => {
  const { name, description, participantIds, settings } = command;
  const others = [...new Set(participantIds)].filter((userId) => userId !== creator);
  return {
    profile: {
      kind: "group" as const,
      name,
      ...(description === undefined ? {} : { description }),
      settings: { ...defaultSettings, ...settings },
    },
    members: [
      { userId: creator, role: "owner" as const },
      ...others.map((userId) => ({ userId, role: "member" as const })),
    ],
  };
};

const sendMessage = async (
  deps: CommandDependencies,
  conversations: ConversationWriter,
  sent: SendMessage,
  context: CommandContext,
): Outcome<MessageAccepted> => {
  const { conversationId, clientMessageId, contentType, content, replyTo } = sent;
  const messageId = messageIdOf(conversationId, context.by, clientMessageId);
  const commandOf = (sealed: SendMessageCommand["content"]) => {
    const command = { type: "SendMessage" as const, messageId, clientMessageId, contentType, content: sealed, context };
    return replyTo === undefined ? command : { ...command, replyTo };
  };
  const sealed =
    contentType === "encrypted"
      ? unsealed(content)
      : deps.sealing.seal(messageId, context.by.userId, context.now, content);
  const command = sealed instanceof Promise ? sealed.then(commandOf) : commandOf(sealed);
  const settled = await conversations.submit(conversationId, command);
  if (E.isLeft(settled)) return settled;
  const { sequence, pos, at } = acceptedAs(settled.right, messageId);
  const duplicate = settled.right.events.length === 0;
  if (duplicate) {
    const difference = await differenceFrom(deps, sent, pos);
    if (difference !== undefined) return E.left(difference);
  }
  const { position } = settled.right;
  return E.right({ clientMessageId, messageId, conversationId, sequence, pos, timestamp: at, duplicate, position });
};

/** Where the message stands: the event that was just written says it, and of a repeat the state. */
const acceptedAs = ({ events: [written], revision, state }: Done, messageId: string) => {
  if (written?.type === "MessageSent") return { sequence: written.sequence, pos: revision, at: written.at };
  const accepted = acceptedMessage(state, messageId);
  if (accepted === undefined) throw new Error(`accepted message ${messageId} is not in the state that accepted it`);
  return accepted;
};

/** A key names one message: the same content again is a retry, other content a mistake that the client should see. */
const differenceFrom = async (
  deps: CommandDependencies,
  sent: SendMessage,
  pos: number,
): Promise<Rejection | undefined> => {
  const [recorded] = await deps.log.readStream(streamOf.conversation(sent.conversationId), pos, 1);
  const first = recorded === undefined ? undefined : decodeConversationEvent(recorded);
  if (first?.type !== "MessageSent") throw new Error(`no message at ${sent.conversationId}@${pos}`);
  if (first.replyTo !== sent.replyTo || first.contentType !== sent.contentType) return keyReused;
  if (first.contentType === "encrypted") return undefined;
  const text = await deps.sealing.open(first.messageId, first.content);
  if (text === null || isDeepStrictEqual(JSON.parse(text), JSON.parse(sent.content))) return undefined;
  return keyReused;
};

const keyReused = reject("DUPLICATE_MESSAGE", "This clientMessageId was used for another message; use a new one.");

/** Cursors are refused by what the conversation knows; that they only grow is the receipts' own law. */
const refusalOf = (state: Conversation, command: AdvanceReceipts, { by }: CommandContext): Rejection | undefined => {
  if (state.situation === "absent" || !isOrWasMember(state, by.userId)) return conversationNotFound;
  if (!state.members.has(by.userId)) return reject("FORBIDDEN", "You are no longer a member of this conversation.");
  const upTo = Math.max(command.deliveredUpTo ?? 0, command.readUpTo ?? 0);
  if (upTo <= state.lastSequence) return undefined;
  const expected = `at most ${state.lastSequence}, the last sequence of the conversation`;
  return reject("INVALID_MESSAGE", "upToSequence is beyond the last message.", [{ field: "upToSequence", expected }]);
};
