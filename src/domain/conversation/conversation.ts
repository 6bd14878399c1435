import type { CommandContext } from "../kernel/decider.js";
import type { ConversationId, MessageId, Sequence, UserId } from "../kernel/ids.js";
import type { Sealed, SealedText } from "../kernel/sealed.js";
import { noRevision, revisionAfter, type Revision } from "../kernel/stream.js";
import type {
  ContentType,
  ConversationEvent,
  ConversationProfile,
  MessageSent,
  Role,
  Settings,
} from "./conversation.events.js";
import type { RecentMessage } from "./recent.js";

// --- state ---------------------------------------------------------------------------------------------------------

/** Sequences from `from` up to, not including, `to`. */
export type Visible = { readonly from: Sequence; readonly to: Sequence };

export type Member = {
  readonly role: Role;
  readonly joinedPos: Revision;
  readonly joinedAt: number;
  /** Of all their memberships; the present one is open: `to` is Infinity. */
  readonly visible: readonly Visible[];
};

export type Absent = { readonly situation: "absent"; readonly revision: typeof noRevision };

export type Started = {
  readonly situation: "started";
  readonly id: ConversationId;
  readonly revision: Revision;
  readonly profile: ConversationProfile;
  readonly lastSequence: Sequence;
  /** Time of the newest event: no later one is earlier. */
  readonly lastAt: number;
  /** In the order of joining. */
  readonly members: ReadonlyMap<UserId, Member>;
  /** Were members and are not now, and what they could see. */
  readonly former: ReadonlyMap<UserId, readonly Visible[]>;
};

/** What its messages are decided on beside it: `Messages`. */
export type Conversation = Absent | Started;

export const absent: Absent = { situation: "absent", revision: noRevision };

// --- commands ------------------------------------------------------------------------------------------------------

export type StartConversation = {
  readonly type: "StartConversation";
  readonly conversationId: ConversationId;
  readonly home: string;
  readonly profile: Omit<ConversationProfile, "createdAt" | "createdBy">;
  /** The creator among them. */
  readonly members: readonly { readonly userId: UserId; readonly role: Role }[];
  readonly membersMax: number;
};
export type JoinMembers = {
  readonly type: "JoinMembers";
  readonly userIds: readonly UserId[];
  readonly membersMax: number;
  /** What the conversation has in plain text, of before, as it is sealed now. */
  readonly sealedAnew?: { readonly name?: SealedAnew; readonly description?: SealedAnew };
};
export type SealedAnew = { readonly plain: string; readonly text: SealedText };
/** The user leaves: by themselves, or because another member, who may, makes them leave. */
export type LeaveConversation = { readonly type: "LeaveConversation"; readonly userId: UserId };
export type ChangeMemberRole = { readonly type: "ChangeMemberRole"; readonly userId: UserId; readonly role: Role };
export type ChangeSettings = {
  readonly type: "ChangeSettings";
  readonly changes: {
    readonly name?: SealedText;
    readonly description?: SealedText;
    readonly settings?: Partial<Settings>;
  };
};
export type SendMessage = {
  readonly type: "SendMessage";
  /** `messageIdOf` its conversation, sender and clientMessageId: the idempotency key. */
  readonly messageId: MessageId;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  readonly content: Sealed;
  readonly replyTo?: MessageId;
  /** Ids as the sender gave them: users who are no members are left out. */
  readonly mentions?: readonly UserId[];
  readonly forwarded?: true;
};
export type EditMessage = {
  readonly type: "EditMessage";
  readonly messageId: MessageId;
  readonly contentType: ContentType;
  readonly content: Sealed;
  /** Each that the same content may have in the log; the first is written. */
  readonly digests: readonly [string, ...string[]];
};
export type DeleteMessage = { readonly type: "DeleteMessage"; readonly messageId: MessageId };
export type React = {
  readonly type: "AddReaction" | "RemoveReaction";
  readonly messageId: MessageId;
  /** As the user spells it. */
  readonly emoji: string;
  /** Undefined while a key has yet to be read or made for it, which is only done for a member. */
  readonly sealed: SealedReaction | undefined;
};
export type SealedReaction = {
  readonly emoji: Sealed;
  /** Of an `emojiKey`, in each form in which it may be in the log; the first is the one that is written today. */
  readonly digestsOf: (key: string) => readonly [string, ...string[]];
};

/** What commands about messages may name: messages older than the window come with them, looked up before. */
export type AboutMessages = SendMessage | EditMessage | DeleteMessage | React;
export type ConversationCommand = (
  StartConversation | JoinMembers | LeaveConversation | ChangeMemberRole | ChangeSettings | AboutMessages
) & {
  readonly context: CommandContext;
  /** What look-ups have found; null: there is no such message. */
  readonly found?: ReadonlyMap<MessageId, OldMessage | null>;
};

/** A message from before the window, as it was when the window started or later. */
export type OldMessage = RecentMessage & {
  readonly deleted: boolean;
  /** Of the newest edit. */
  readonly digest?: string | undefined;
  /** Each a `reactionKey`. */
  readonly reactions: readonly string[];
};

// --- evolve --------------------------------------------------------------------------------------------------------

export const evolve = (state: Conversation, event: ConversationEvent): Conversation => {
  if (event.type === "ConversationStarted")
    return {
      situation: "started",
      id: event.conversationId,
      revision: revisionAfter(state.revision),
      profile: event.profile,
      lastSequence: 0,
      lastAt: event.at,
      members: new Map(),
      former: new Map(),
    };
  // A stream always begins with ConversationStarted: `decide` writes nothing to an absent conversation before it.
  if (state.situation === "absent") return state;
  if (event.type === "MessageSent") return evolveSent(state, event);
  return evolveStarted({ ...state, revision: revisionAfter(state.revision), lastAt: event.at }, event);
};

/** Written out: copying all fields twice by spread costs more than all else that is done for a message here. */
const evolveSent = ({ id, revision, profile, members, former }: Started, { sequence, at }: MessageSent): Started => ({
  situation: "started",
  id,
  revision: revisionAfter(revision),
  profile,
  lastSequence: sequence,
  lastAt: at,
  members,
  former,
});

const evolveStarted = (
  state: Started,
  event: Exclude<ConversationEvent, { type: "ConversationStarted" | "MessageSent" }>,
): Started => {
  switch (event.type) {
    case "MemberJoined": {
      const joined = { joinedPos: state.revision, joinedAt: event.at };
      const now = { from: event.visibleFrom, to: Infinity };
      const members = new Map(state.members);
      const former = new Map(state.former);
      for (const { userId, role } of event.members) {
        members.set(userId, { role, ...joined, visible: [...(former.get(userId) ?? []), now] });
        former.delete(userId);
      }
      return { ...state, members, former };
    }
    case "MemberLeft": {
      const members = new Map(state.members);
      members.delete(event.userId);
      const seen = state.members.get(event.userId)?.visible ?? [];
      const visible = seen.map(({ from, to }) => ({ from, to: Math.min(to, event.leftAt) }));
      return { ...state, members, former: new Map(state.former).set(event.userId, visible) };
    }
    case "MemberRoleChanged": {
      const member = state.members.get(event.userId);
      if (member === undefined) return state;
      return { ...state, members: new Map(state.members).set(event.userId, { ...member, role: event.role }) };
    }
    case "SettingsChanged": {
      const { messageTtl, ...changes } = event.changes;
      const { messageTtl: before, ...profile } = { ...state.profile, ...changes };
      const ttl = messageTtl === undefined ? before : messageTtl;
      return { ...state, profile: ttl === undefined || ttl === null ? profile : { ...profile, messageTtl: ttl } };
    }
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
      return state;
  }
};
