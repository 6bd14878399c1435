import type { ContentType, ConversationKind, Role } from "../../domain/conversation/conversation.events.js";
import type { By } from "../../domain/kernel/by.js";
import type { ConversationId, MessageId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import type { EventId, Position, Revision } from "../../domain/kernel/stream.js";

/** A personal text as it can be read now: erased when its key is gone or its author was erased, damaged when it does not open with its key. */
export type Opened = { readonly text: string } | { readonly erased: true } | { readonly damaged: string };

/** Opens what was sealed in that place. Rejects only when the keys cannot be asked. */
/** `author`: whose it is; undefined for what is a conversation's. */
export type OpenText = (context: string, sealed: Sealed, author: UserId | undefined) => Promise<Opened>;

/** A user by the display name that they had at that moment; without one they never gave any, or took it away. */
export type Person = { readonly userId: UserId; readonly name?: Opened };

export type ArchivedConversation = {
  readonly id: ConversationId;
  readonly kind: ConversationKind;
  /** A group's at that moment. */
  readonly name?: Opened;
};

/** A file that a message refers to, with what the message says of it. */
export type MediaReference = {
  readonly mediaId: string;
  readonly filename?: string;
  readonly sha256?: string;
};

export type ArchivedMessage = {
  readonly messageId: MessageId;
  readonly sequence: Sequence;
  readonly contentType?: ContentType;
  /** The content's JSON, as it was accepted. */
  readonly content?: Opened;
  readonly media?: MediaReference;
  readonly clientMessageId?: string;
  readonly replyTo?: MessageId;
  readonly mentions?: readonly Person[];
  readonly forwarded?: true;
  /** Of imported history: where it was said first. */
  readonly origin?: { readonly source: string; readonly id: string; readonly at: number };
  readonly expiresAt?: number;
  readonly emoji?: Opened;
};

export const recordKinds = [
  "started",
  "joined",
  "left",
  "role",
  "settings",
  "message",
  "edit",
  "deletion",
  "reaction",
  "reaction_removed",
  "unreadable",
] as const;
export type RecordKind = (typeof recordKinds)[number];

/** One thing that happened in a conversation, with all that an archive wants to know of it: it refers to no other record. */
export type ArchiveRecord = {
  readonly position: Position;
  readonly revision: Revision;
  readonly eventId: EventId;
  /** Epoch milliseconds, as the event says; of an unreadable one that says none, the time of the one before. */
  readonly at: number;
  readonly kind: RecordKind;
  readonly conversation: ArchivedConversation;
  readonly by: By;
  /** Of the user who did it, or for whom it was done. */
  readonly author?: Person;
  readonly message?: ArchivedMessage;
  /** Of what is about a message: the members of that moment who may see it, the author among them. */
  readonly visibleTo?: readonly Person[];
  /** Who joined, left or got another role. */
  readonly subject?: Person & { readonly role?: Role; readonly visibleFrom?: Sequence };
  /** What was changed or is set from the start; names and descriptions opened. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Why an event cannot be read: it is damaged, or of a newer version. */
  readonly unreadable?: string;
};

/** A conversation's records follow, by revision; `present`: its members before the first of them. */
export type ConversationBegins = {
  readonly begins: ArchivedConversation;
  readonly present: readonly Person[];
};
export type ArchiveItem = ConversationBegins | { readonly record: ArchiveRecord };

/** The texts of a record that nobody can read any more, and those that were changed. */
export const troublesOf = ({
  author,
  conversation,
  message,
  subject,
  unreadable,
}: ArchiveRecord): { readonly erased: boolean; readonly damaged: readonly string[] } => {
  const texts = [author?.name, conversation.name, message?.content, message?.emoji, subject?.name];
  return {
    erased: texts.some((text) => text !== undefined && "erased" in text),
    damaged: [
      ...texts.flatMap((text) => (text !== undefined && "damaged" in text ? [text.damaged] : [])),
      ...(unreadable === undefined ? [] : [unreadable]),
    ],
  };
};
