import { decodeConversationEvent } from "../domain/catalogue.js";
import { amend, type Amendments } from "../domain/conversation/amendments.js";
import { lookUpsFor } from "../domain/conversation/message.decide.js";
import type { Conversation, ConversationCommand, OldMessage } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { windowStart } from "../domain/conversation/recent.js";
import { streamOf, type Revision } from "../domain/kernel/stream.js";
import type { EventLog, LookUpMessage, MessageIndex } from "./ports.js";

/**
 * The view where it has come far enough, else the stream itself: slow, and always right. Accepting depends on no view: a
 * view that fails to answer, which whoever runs it reports, is one that has not come far enough.
 */
export const lookUpIn =
  (index: MessageIndex, log: Pick<EventLog, "readStream">): LookUpMessage =>
  async (conversationId, messageId, from) => {
    const indexed = await index.find(conversationId, messageId).catch(() => undefined);
    return indexed !== undefined && indexed.coversTo >= from - 1
      ? indexed.message
      : findInStream(log, conversationId, messageId, from);
  };

/** What `transact` runs before a command that names a message from before the window. */
export const prepareWith =
  (lookUp: LookUpMessage) =>
  (state: Conversation, command: ConversationCommand): Promise<ConversationCommand> | undefined => {
    const ids = lookUpsFor(state, command);
    if (ids.length === 0 || state.situation === "absent") return undefined;
    const from = windowStart(state.recent);
    return Promise.all(ids.map(async (id) => [id, await lookUp(state.id, id, from)] as const)).then((found) => ({
      ...command,
      found: new Map([...(command.found ?? []), ...found]),
    }));
  };

export const needsNoLookUp = (state: Conversation, command: ConversationCommand): boolean =>
  lookUpsFor(state, command).length === 0;

const pageSize = 1_000;

const findInStream = async (
  log: Pick<EventLog, "readStream">,
  conversationId: string,
  messageId: string,
  end: Revision,
): Promise<OldMessage | null> => {
  let message: Omit<OldMessage, "deleted" | "digest" | "reactions"> | null = null;
  let amendments: Amendments = new Map();
  for (let from = 0; from < end; from += pageSize) {
    const page = await log.readStream(streamOf.conversation(conversationId), from, Math.min(pageSize, end - from));
    for (const recorded of page) {
      const event = decodeConversationEvent(recorded);
      if (!("messageId" in event) || event.messageId !== messageId) continue;
      if (event.type === "MessageSent") message = sentMessage(event, recorded.revision);
      else amendments = amend(amendments, event, recorded.revision, 0);
    }
  }
  const amendment = amendments.get(messageId);
  const reactions = [...(amendment?.reactions ?? [])].flatMap(([key, there]) => (there ? [key] : []));
  return message && { ...message, deleted: amendment?.deleted === true, digest: amendment?.digest, reactions };
};

const sentMessage = (event: Extract<ConversationEvent, { type: "MessageSent" }>, pos: Revision) => ({
  messageId: event.messageId,
  sequence: event.sequence,
  pos,
  at: event.at,
  senderId: event.by.userId,
  contentType: event.contentType,
});
