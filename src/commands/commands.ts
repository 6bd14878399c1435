import type { ByOperator } from "../domain/kernel/by.js";
import type { Either } from "../domain/kernel/fp.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import type { Actor, ConversationId, DeviceId, MessageId, Sequence, UserId } from "../domain/kernel/ids.js";
import type { DeviceType, Privacy } from "../domain/user/user.events.js";
import type { Preferences } from "../domain/user/user.js";
import type { Conversation } from "../domain/conversation/conversation.js";
import type { ContentType, Role, Settings } from "../domain/conversation/conversation.events.js";
import type { Position, Revision } from "../domain/kernel/stream.js";
import type { Rejection } from "../domain/rejections.js";

/**
 * Everything that changes the log, as the gateway calls it. Each resolves when its events are durable, in the order of
 * the calls for one conversation; a Left wrote nothing, but for the UNAVAILABLE of a log that never said what became of
 * it. `position` is where in the log the answer stands: a reader who waits for it sees the change. Rejects for a defect,
 * and where nothing was written because what had to be read first, of the log or of the keys, could not be: with the
 * error of the port that was asked.
 */
export type Commands = {
  /**
   * Without a type (REST) a known device keeps its own and a new one is "web". `lastUses`: what is known beside the log,
   * by device. `seenAt`: when the log last saw the device. A Left may have put right a removal that a wrong clock stamped.
   */
  readonly registerDevice: (
    command: {
      deviceType?: DeviceType;
      tokenIssuedAt?: number;
      lastUses?: ReadonlyMap<DeviceId, number>;
    },
    context: CommandContext,
  ) => Outcome<Written & { readonly seenAt: number }>;
  /** Whether a device that came in with a token issued then (Unix milliseconds) may stay. Rejects when the log does not answer. */
  readonly mayStay: (device: Actor & { readonly tokenIssuedAt?: number }) => Promise<boolean>;
  readonly startDirect: (command: { peerId: UserId }, context: CommandContext) => Outcome<Started>;
  readonly startGroup: (command: StartGroup, context: CommandContext) => Outcome<Started>;
  readonly joinMembers: (
    command: { conversationId: ConversationId; userIds: readonly UserId[] },
    context: CommandContext,
  ) => Outcome<Changed & { added: readonly UserId[]; memberCount: number }>;
  /** Oneself: leaving; another: removal. */
  readonly leaveConversation: (
    command: { conversationId: ConversationId; userId: UserId },
    context: CommandContext,
  ) => Outcome<Changed>;
  readonly sendMessage: (command: SendMessage, context: CommandContext) => Outcome<MessageAccepted>;
  /**
   * `sendMessage` by calling back, perhaps before this returns: exactly one of the two, once; neither may throw. It is what
   * clients do all day, and a promise for each costs more than the command.
   */
  readonly sendMessageThen: (
    command: SendMessage,
    context: CommandContext,
    settled: (outcome: Either<Rejection, MessageAccepted>) => void,
    failed: (error: unknown) => void,
  ) => void;
  /** Own messages, while they are there. */
  readonly editMessage: (command: EditMessage, context: CommandContext) => Outcome<Changed>;
  /** Own messages; in groups any member's by admins and owners. Twice is once. */
  readonly deleteMessage: (command: MessageName, context: CommandContext) => Outcome<Changed>;
  readonly addReaction: (command: MessageName & { emoji: string }, context: CommandContext) => Outcome<Changed>;
  readonly removeReaction: (command: MessageName & { emoji: string }, context: CommandContext) => Outcome<Changed>;
  readonly changeMemberRole: (
    command: { conversationId: ConversationId; userId: UserId; role: Role },
    context: CommandContext,
  ) => Outcome<Changed>;
  readonly changeSettings: (
    command: { conversationId: ConversationId; name?: string; description?: string; settings?: Partial<Settings> },
    context: CommandContext,
  ) => Outcome<Changed & { readonly state: Conversation }>;
  /** A removed device comes back only with a token issued later. */
  readonly removeDevice: (command: { deviceId: DeviceId }, context: CommandContext) => Outcome<Written>;
  /** By an operator: the user's devices are removed, and nothing of theirs is taken from then on. Erased already: writes nothing. */
  readonly eraseUser: (
    command: { userId: UserId; reason: string },
    context: CommandContext<ByOperator>,
  ) => Outcome<Written>;
  readonly changeProfile: (
    command: { displayName?: string | null; privacy?: Partial<Privacy> },
    context: CommandContext,
  ) => Outcome<Written>;
  /** Of a present member. */
  readonly changePreferences: (
    command: { conversationId: ConversationId } & Partial<Preferences>,
    context: CommandContext,
  ) => Outcome<Written & Preferences>;
  /**
   * The other present members of a conversation, at most a second old, for what never enters the log and never waits
   * where commands do. Without `userIds`: too much is being asked, no other member is to be told. A Left as for any
   * command.
   */
  readonly othersIn: (
    conversationId: ConversationId,
    context: CommandContext,
  ) => Outcome<{ readonly userIds?: readonly UserId[] }>;
  /**
   * The users among them who are present members by what the log said within the last second; all where that cannot be
   * had now. Rejects when the log does not answer.
   */
  readonly membersAmong: (conversationId: ConversationId, userIds: readonly UserId[]) => Promise<readonly UserId[]>;
  /** Cursors that do not grow write nothing. */
  readonly advanceReceipts: (command: AdvanceReceipts, context: CommandContext) => Outcome<Written>;
};

export type Outcome<A> = Promise<Either<Rejection, A>>;

export type Written = { readonly position: Position };
/** `pos`: the change's, absent when nothing changed. */
export type Changed = Written & { readonly pos?: Revision };
/** `state`: the conversation as the command left it, or found it. */
export type Started = Written & {
  readonly conversationId: ConversationId;
  readonly created: boolean;
  readonly state: Conversation;
};

export type StartGroup = {
  readonly name: string;
  readonly description?: string;
  readonly participantIds: readonly UserId[];
  readonly settings?: Partial<Settings>;
  readonly clientRequestId?: string;
};

export type SendMessage = {
  readonly conversationId: ConversationId;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  /** JSON text of the content as it will be sealed and sent. */
  readonly content: string;
  readonly replyTo?: MessageId;
  /** User ids; users who are no members are left out. */
  readonly mentions?: readonly UserId[];
  readonly forwarded?: true;
};

export type MessageName = { readonly conversationId: ConversationId; readonly messageId: MessageId };

export type EditMessage = MessageName & {
  readonly contentType: ContentType;
  /** JSON text of the content as it will be sealed and sent. */
  readonly content: string;
};

export type MessageAccepted = Written & {
  readonly clientMessageId: string;
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly sequence: Sequence;
  readonly pos: Revision;
  readonly timestamp: number;
  readonly duplicate: boolean;
};

export type AdvanceReceipts = {
  readonly conversationId: ConversationId;
  readonly deliveredUpTo?: Sequence;
  readonly readUpTo?: Sequence;
};
