/**
 * The wire as PROTOCOL v1 has it: types of what frames and answers carry (their names stand in `contract/`), with the one
 * place where JSON becomes one of them. Times are Unix milliseconds. Fields that a server adds later are kept and passed
 * on untouched.
 */
import { kindOf, type ServerFrameOf } from "./contract/frames.js";

export type Role = "owner" | "admin" | "member";
export type DeviceType = "mobile" | "web" | "desktop";

export type Metadata = { readonly metadata?: Readonly<Record<string, unknown>> };
export type TextContent = { readonly type: "text"; readonly text: string };
export type MediaContent = {
  readonly type: "image" | "video" | "audio" | "document";
  readonly mediaId: string;
  readonly caption?: string;
  readonly filename?: string;
  readonly width?: number;
  readonly height?: number;
  readonly duration?: number;
  readonly blurhash?: string;
  readonly waveform?: readonly number[];
};
export type LocationContent = {
  readonly type: "location";
  readonly latitude: number;
  readonly longitude: number;
  readonly label?: string;
};
export type EncryptedContent = { readonly type: "encrypted"; readonly ciphertext: string; readonly header?: unknown };
export type Content = (TextContent | MediaContent | LocationContent | EncryptedContent) & Metadata;

export type Settings = {
  readonly onlyAdminsCanPost: boolean;
  readonly onlyAdminsCanEdit: boolean;
  readonly allowMemberInvites: boolean;
  readonly historyVisibility: string;
};

export type Conversation = {
  readonly conversationId: string;
  readonly type: "direct" | "group";
  readonly name?: string;
  readonly description?: string;
  readonly avatarMediaId?: string;
  readonly settings: Settings;
  readonly messageTtl?: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly memberCount: number;
  readonly myRole: Role;
  readonly peerId?: string;
  readonly lastSequence: number;
  readonly pos: number;
};

export type LastMessage = {
  readonly sequence: number;
  readonly messageId: string;
  readonly senderId: string;
  readonly type: Content["type"];
  readonly preview: string;
  readonly timestamp: number;
  readonly deleted?: boolean;
};

/** What the reader sees of a conversation in the inbox. */
export type InboxState = {
  readonly readUpTo: number;
  readonly unread: number;
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
  readonly deliveredToAll: number;
  readonly readByAll: number;
  readonly lastMessage: LastMessage | null;
};
export type Summary = { readonly conversation: Conversation; readonly state: InboxState };

export type Reaction = { readonly emoji: string; readonly count: number; readonly userIds: readonly string[] };

/** `message.new`: without `content` when it has been deleted, has expired or may not be seen. */
export type NewMessage = {
  readonly messageId: string;
  readonly conversationId: string;
  readonly sequence: number;
  readonly pos: number;
  readonly senderId: string;
  /** Missing where the sender has no device: a program. */
  readonly senderDeviceId?: string;
  readonly clientMessageId?: string;
  readonly content?: Content;
  readonly timestamp: number;
  readonly expiresAt?: number;
  readonly replyTo?: string;
  /** Members that the message names. */
  readonly mentions?: readonly string[];
  readonly forwarded?: true;
  readonly media?: MediaState;
  readonly deletedAt?: number;
  /** Beside `deletedAt`: its author was erased. */
  readonly erased?: true;
};
/** Of a file, as known when the frame was made. `waveform`: numbers from 0 to 255. */
export type MediaState = {
  readonly state: "processing" | "ready" | "quarantined" | "gone";
  readonly width?: number;
  readonly height?: number;
  readonly duration?: number;
  readonly blurhash?: string;
  readonly waveform?: readonly number[];
};
/** A message with what has happened to it up to `updatedPos`. */
export type Message = NewMessage & {
  readonly editedAt?: number;
  readonly reactions?: readonly Reaction[];
  readonly updatedPos: number;
};

export type MessageAck = {
  readonly clientMessageId: string;
  readonly messageId: string;
  readonly conversationId: string;
  readonly sequence: number;
  readonly pos: number;
  readonly timestamp: number;
  readonly duplicate: boolean;
};

/** Whether an answer says that a message is durable: nothing else takes it out of the outbox. */
export function isMessageAck(frame: Frame): boolean {
  const { clientMessageId, conversationId, messageId, sequence, pos } = frame.payload;
  const named = [clientMessageId, conversationId, messageId].every((name) => typeof name === "string");
  return frame.type === "message.ack" && named && Number.isSafeInteger(sequence) && Number.isSafeInteger(pos);
}
export type Ack = { readonly conversationId?: string; readonly pos?: number };

type Change<Type extends ServerFrameOf<"change">, Payload> = {
  readonly type: Type;
  readonly payload: Payload & { readonly pos: number; readonly timestamp: number };
};
/** `by`: missing where no user of the chat did it. */
type By = { readonly conversationId: string; readonly by?: string };

/** The frames that carry a `pos`: live or from sync, they are the same. */
export type ChangeFrame =
  | Change<"message.new", NewMessage>
  | Change<
      "message.updated",
      By & {
        readonly messageId: string;
        readonly sequence: number;
        readonly content?: Content;
        readonly editedAt?: number;
        readonly deletedAt?: number;
        readonly erased?: true;
        readonly reaction?: { readonly emoji: string; readonly userId: string; readonly removed?: boolean };
      }
    >
  | Change<
      "message.expired",
      { readonly conversationId: string; readonly upToSequence?: number; readonly messageIds?: readonly string[] }
    >
  | Change<"conversation.created", { readonly conversation: Conversation; readonly by?: string }>
  | Change<
      "conversation.updated",
      By & {
        readonly changes: Partial<
          Pick<Conversation, "name" | "description" | "avatarMediaId" | "settings" | "messageTtl">
        >;
      }
    >
  | Change<
      "member.joined",
      By & {
        readonly members: readonly { readonly userId: string; readonly role?: Role }[];
        readonly memberCount: number;
      }
    >
  | Change<"member.left", By & { readonly userId: string; readonly memberCount: number }>
  | Change<"member.role", By & { readonly userId: string; readonly role: Role }>;

export type MemberFrame = Extract<ChangeFrame, { type: "member.joined" | "member.left" | "member.role" }>;

/** Frames of one conversation without `pos`: they are lost when no device listens, and sync brings what became of them. */
export type SignalFrame =
  | {
      readonly type: "receipt.update";
      readonly payload: {
        readonly conversationId: string;
        readonly userId: string;
        readonly deliveredUpTo?: number;
        readonly readUpTo?: number;
        readonly timestamp: number;
      };
    }
  | { readonly type: "receipt.rollup"; readonly payload: Rollup }
  | {
      readonly type: "inbox.update";
      readonly payload: { readonly conversationId: string; readonly pos?: number } & Partial<
        Pick<InboxState, "pinned" | "archived" | "mutedUntil" | "readUpTo" | "unread">
      >;
    };
export type Rollup = {
  readonly conversationId: string;
  readonly sequence: number;
  readonly messageId: string;
  readonly delivered: number;
  readonly read: number;
  readonly of: number;
  readonly timestamp: number;
};

export type Connected = {
  readonly connectionId: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly epoch: string;
  readonly serverTime: number;
  readonly heartbeatInterval: number;
  readonly limits: {
    readonly maxMessageBytes: number;
    readonly maxFrameBytes: number;
    readonly messagesPerMinute: number;
  };
};

/** undefined: it lacks what a connection needs. */
export function connectedFrom(payload: Frame["payload"]): Connected | undefined {
  const { userId, deviceId, epoch, heartbeatInterval, limits } = payload;
  const named = [userId, deviceId, epoch].every((name) => typeof name === "string" && name !== "");
  const bounded = isRecord(limits) && isPositive(limits.maxFrameBytes) && isPositive(heartbeatInterval);
  return named && bounded ? (payload as Connected) : undefined;
}

const isPositive = (value: unknown): boolean => typeof value === "number" && value > 0;

export type SyncRequest = {
  readonly epoch?: string;
  readonly token?: string;
  readonly cursors?: Readonly<Record<string, number>>;
  readonly only?: boolean;
  readonly limit?: number;
  readonly next?: string;
};
export type SyncEntry = {
  readonly conversationId: string;
  readonly changes: readonly ChangeFrame[];
  readonly pos: number;
  readonly hasMore: boolean;
  readonly reset: boolean;
  readonly state: InboxState;
};
export type SyncResult = {
  readonly epoch: string;
  readonly reset: boolean;
  readonly conversations: readonly SyncEntry[];
  readonly newConversations: readonly Summary[];
  readonly left: readonly string[];
  /** Users who were erased since the token. */
  readonly erased?: readonly string[];
  readonly token?: string;
  readonly next?: string;
  readonly serverTime: number;
};

/** Any frame, before its type has been looked at. */
export type Frame = {
  readonly type: string;
  readonly id?: string;
  readonly payload: Readonly<Record<string, unknown>>;
};

/** undefined: not a frame of this protocol. */
export function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined; // the caller reports it: text that is not JSON is the same to it as JSON that is not a frame
  }
  if (!isRecord(value) || typeof value.type !== "string") return undefined;
  const { type, id, payload } = value;
  return { type, ...(typeof id === "string" ? { id } : {}), payload: isRecord(payload) ? payload : {} };
}

/** The server is trusted for the shape of what it names; without these two fields there is nothing to order by. */
export function isChange(frame: Frame): frame is Frame & ChangeFrame {
  if (kindOf(frame.type) !== "change" || !Number.isSafeInteger(frame.payload.pos)) return false;
  const { conversation, conversationId } = frame.payload;
  return frame.type === "conversation.created"
    ? isRecord(conversation) && typeof conversation.conversationId === "string"
    : typeof conversationId === "string";
}

export function isSignal(frame: Frame): frame is Frame & SignalFrame {
  return kindOf(frame.type) === "state" && typeof frame.payload.conversationId === "string";
}

export const conversationOf = (frame: ChangeFrame): string =>
  frame.type === "conversation.created" ? frame.payload.conversation.conversationId : frame.payload.conversationId;

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
