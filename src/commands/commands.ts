import type { Either } from "../domain/kernel/fp.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import type { DeviceType } from "../domain/user/user.events.js";
import type { Settings, ContentType } from "../domain/conversation/conversation.events.js";
import type { Position } from "../domain/kernel/stream.js";
import type { Rejection } from "../domain/rejections.js";

/**
 * Everything that changes the log, as the gateway calls it. Each resolves when its events are durable, in the order of
 * the calls for one conversation; a Left wrote nothing. `position` is where in the log the answer stands: a reader who
 * waits for it sees the change. None rejects but for a defect.
 */
export type Commands = {
  /** Without a type (REST) a known device keeps its own and a new one is "web". */
  readonly registerDevice: (command: { deviceType?: DeviceType }, context: CommandContext) => Outcome<Written>;
  readonly startDirect: (command: { peerId: string }, context: CommandContext) => Outcome<Started>;
  readonly startGroup: (command: StartGroup, context: CommandContext) => Outcome<Started>;
  readonly addMembers: (
    command: { conversationId: string; userIds: readonly string[] },
    context: CommandContext,
  ) => Outcome<Changed & { added: readonly string[]; memberCount: number }>;
  /** Oneself: leaving; another: removal. */
  readonly removeMember: (
    command: { conversationId: string; userId: string },
    context: CommandContext,
  ) => Outcome<Changed>;
  readonly sendMessage: (command: SendMessage, context: CommandContext) => Outcome<MessageAccepted>;
  /** Cursors that do not grow write nothing. */
  readonly advanceReceipts: (command: AdvanceReceipts, context: CommandContext) => Outcome<Written>;
};

export type Outcome<A> = Promise<Either<Rejection, A>>;

export type Written = { readonly position: Position };
/** `pos`: the change's, absent when nothing changed. */
export type Changed = Written & { readonly pos?: number };
export type Started = Written & { readonly conversationId: string; readonly created: boolean };

export type StartGroup = {
  readonly name: string;
  readonly description?: string;
  readonly participantIds: readonly string[];
  readonly settings?: Partial<Settings>;
  readonly clientRequestId?: string;
};

export type SendMessage = {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  /** JSON text of the content as it will be sealed and sent. */
  readonly content: string;
  readonly replyTo?: string;
};

export type MessageAccepted = Written & {
  readonly clientMessageId: string;
  readonly messageId: string;
  readonly conversationId: string;
  readonly sequence: number;
  readonly pos: number;
  readonly timestamp: number;
  readonly duplicate: boolean;
};

export type AdvanceReceipts = {
  readonly conversationId: string;
  readonly deliveredUpTo?: number;
  readonly readUpTo?: number;
};
