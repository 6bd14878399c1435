import type { CommandContext } from "../kernel/decider.js";
import type { ConversationId, MessageId, UserId } from "../kernel/ids.js";
import { noRevision, type Revision } from "../kernel/stream.js";
import type { ConversationEvent, ConversationProfile, ContentType, Role, Sealed } from "./conversation.events.js";
import { findRecent, noRecent, remember, type RecentMessage, type RecentMessages } from "./recent.js";

// --- state ---------------------------------------------------------------------------------------------------------

export type Member = {
  readonly role: Role;
  readonly joinedPos: Revision;
  readonly joinedAt: number;
};

export type Absent = { readonly situation: "absent"; readonly revision: typeof noRevision };

export type Started = {
  readonly situation: "started";
  readonly id: ConversationId;
  readonly revision: Revision;
  readonly profile: ConversationProfile;
  readonly lastSequence: number;
  /** Time of the newest event: no later one is earlier. */
  readonly lastAt: number;
  /** In the order of joining. */
  readonly members: ReadonlyMap<UserId, Member>;
  /** Were members and are not now. */
  readonly former: ReadonlySet<UserId>;
  readonly recent: RecentMessages;
};

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
};
export type JoinMembers = { readonly type: "JoinMembers"; readonly userIds: readonly UserId[] };
export type RemoveMember = { readonly type: "RemoveMember"; readonly userId: UserId };
export type SendMessage = {
  readonly type: "SendMessage";
  /** `messageIdOf` its conversation, sender and clientMessageId: the idempotency key. */
  readonly messageId: MessageId;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  readonly content: Sealed;
  readonly replyTo?: string;
};
export type ConversationCommand = (StartConversation | JoinMembers | RemoveMember | SendMessage) & {
  readonly context: CommandContext;
};

// --- evolve --------------------------------------------------------------------------------------------------------

export const evolve = (state: Conversation, event: ConversationEvent): Conversation => {
  if (event.type === "ConversationStarted")
    return {
      situation: "started",
      id: event.conversationId,
      revision: state.revision + 1,
      profile: event.profile,
      lastSequence: 0,
      lastAt: event.at,
      members: new Map(),
      former: new Set(),
      recent: noRecent(),
    };
  // A stream always begins with ConversationStarted: `decide` writes nothing to an absent conversation before it.
  if (state.situation === "absent") return state;
  return evolveStarted({ ...state, revision: state.revision + 1, lastAt: event.at }, event);
};

const evolveStarted = (state: Started, event: Exclude<ConversationEvent, { type: "ConversationStarted" }>): Started => {
  switch (event.type) {
    case "MemberJoined": {
      const joined = { joinedPos: state.revision, joinedAt: event.at };
      const members = new Map(state.members);
      const former = new Set(state.former);
      for (const { userId, role } of event.members) {
        members.set(userId, { role, ...joined });
        former.delete(userId);
      }
      return { ...state, members, former };
    }
    case "MemberLeft": {
      const members = new Map(state.members);
      members.delete(event.userId);
      return { ...state, members, former: new Set(state.former).add(event.userId) };
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
    case "MessageSent": {
      const { messageId, sequence, contentType } = event;
      const message = {
        messageId,
        sequence,
        pos: state.revision,
        at: event.at,
        senderId: event.by.userId,
        contentType,
      };
      return { ...state, lastSequence: sequence, recent: remember(state.recent, message) };
    }
  }
};

/** A message accepted now or earlier, as long as the state remembers it. */
export const acceptedMessage = (state: Conversation, messageId: MessageId): RecentMessage | undefined =>
  state.situation === "absent" ? undefined : findRecent(state.recent, messageId);
