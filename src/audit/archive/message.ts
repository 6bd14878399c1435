import type {
  MessageDeleted,
  MessageEdited,
  MessageSent,
  ReactionAdded,
  ReactionRemoved,
} from "../../domain/conversation/conversation.events.js";
import { userIdOf } from "../../domain/kernel/by.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import type { ArchivedMessage, MediaReference, OpenText, Person } from "./record.js";

type AboutMessage = MessageSent | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved;

/** What an event says of a message, opened. `person`: by the name that they had then. */
export const messageOf = async (
  event: AboutMessage,
  conversationId: ConversationId,
  open: OpenText,
  person: (userId: UserId) => Promise<Person>,
): Promise<ArchivedMessage> => {
  const { messageId, sequence } = event;
  switch (event.type) {
    case "MessageDeleted":
      return { messageId, sequence };
    case "ReactionAdded":
    case "ReactionRemoved": {
      const author = userIdOf(event.by);
      const place = sealedAs.emoji(conversationId, messageId, author);
      return { messageId, sequence, emoji: await open(place, event.emoji, author) };
    }
    case "MessageEdited":
      return { messageId, sequence, ...(await contentOf(event, open)) };
    case "MessageSent": {
      const { clientMessageId, replyTo, mentions, forwarded, origin, expiresAt } = event;
      return {
        messageId,
        sequence,
        ...(await contentOf(event, open)),
        clientMessageId,
        ...(replyTo === undefined ? {} : { replyTo }),
        ...(mentions === undefined ? {} : { mentions: await Promise.all(mentions.map(person)) }),
        ...(forwarded === undefined ? {} : { forwarded }),
        ...(origin === undefined ? {} : { origin }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
    }
  }
};

const contentOf = async (
  { messageId, contentType, content: sealed, by }: MessageSent | MessageEdited,
  open: OpenText,
): Promise<Pick<ArchivedMessage, "contentType" | "content" | "media">> => {
  const content = await open(messageId, sealed, userIdOf(by));
  const media = "text" in content ? mediaIn(content.text) : undefined;
  return { contentType, content, ...(media === undefined ? {} : { media }) };
};

/** Only what the content itself says. */
const mediaIn = (content: string): MediaReference | undefined => {
  const { mediaId, filename, sha256 } = objectIn(content);
  if (typeof mediaId !== "string") return undefined;
  return {
    mediaId,
    ...(typeof filename === "string" ? { filename } : {}),
    ...(typeof sha256 === "string" ? { sha256 } : {}),
  };
};

/** A content that is no JSON object has no fields: it is archived as the text that it is. */
export const objectIn = (content: string): Readonly<Record<string, unknown>> => {
  try {
    const value = JSON.parse(content) as unknown;
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
};
