import type { Decider, EventContext } from "../kernel/decider.js";
import { E } from "../kernel/fp.js";
import type { Sequence, UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { sameText, unsealed, type SealedText } from "../kernel/sealed.js";
import { stamping } from "../kernel/stamping.js";
import { conversationNotFound, formerMember, reject, type Rejection } from "../rejections.js";
import {
  absent,
  evolve,
  type ChangeMemberRole,
  type ChangeSettings,
  type Conversation,
  type ConversationCommand,
  type JoinMembers,
  type Member,
  type LeaveConversation,
  type StartConversation,
  type Started,
} from "./conversation.js";
import {
  defaultSettings,
  type ConversationEvent,
  type ConversationProfile,
  type MemberJoined,
  type Role,
  type Settings,
  type SettingsChanged,
} from "./conversation.events.js";
import type { Decision, With } from "./decision.js";
import { decideAboutMessage } from "./message.decide.js";
import { messagesIndex, type Messages } from "./messages.js";
import { mayInGroup, type GroupAct } from "./permissions.js";

/** Checks go visibility → known key → permission (PROTOCOL §2); shape was checked where the command was made. */
export const decide = (state: Conversation, command: ConversationCommand, messages: Messages): Decision => {
  if (command.type === "StartConversation") return decideStart(state, command);
  if (state.situation === "absent" || !isOrWasMember(state, command.context.by.userId))
    return E.left(conversationNotFound);
  switch (command.type) {
    case "JoinMembers":
      return decideJoin(state, command);
    case "LeaveConversation":
      return decideLeave(state, command);
    case "ChangeMemberRole":
      return decideRole(state, command);
    case "ChangeSettings":
      return decideSettings(state, command);
    case "SendMessage":
    case "EditMessage":
    case "DeleteMessage":
    case "AddReaction":
    case "RemoveReaction":
      return decideAboutMessage(state, command, messages);
  }
};

export const conversation: Decider<ConversationCommand, Conversation, ConversationEvent, Messages> = {
  initial: () => absent,
  evolve,
  decide,
  index: messagesIndex,
};

/** A repeat, or the other party of a direct conversation, finds it started: nothing to write. */
const decideStart = (state: Conversation, command: With<StartConversation>): Decision => {
  if (state.situation === "started") return E.right([]);
  if (command.members.length > command.membersMax) return E.left(tooManyMembers(command.membersMax));
  const stamp = stamping(command.context, 0);
  const started = stamp();
  const profile = { ...command.profile, createdBy: command.context.by.userId, createdAt: started.at };
  const joins = joinBatches(command.members, { memberCount: 0, sequence: 0, visibleFrom: 1, profile }, stamp);
  return E.right([
    { type: "ConversationStarted", ...started, conversationId: command.conversationId, home: command.home, profile },
    ...joins,
  ]);
};

const joinBatches = (
  members: readonly { readonly userId: UserId; readonly role: Role }[],
  joining: { memberCount: number; sequence: Sequence; visibleFrom: Sequence; profile: ConversationProfile },
  stamp: () => EventContext,
): readonly MemberJoined[] => {
  const batches: MemberJoined[] = [];
  for (let from = 0; from < members.length; from += limits.membersPerEvent) {
    const batch = members.slice(from, from + limits.membersPerEvent);
    const memberCount = joining.memberCount + from + batch.length;
    batches.push({ type: "MemberJoined", ...stamp(), ...joining, members: batch, memberCount });
  }
  return batches;
};

const decideJoin = (state: Started, command: With<JoinMembers>): Decision => {
  const refusal = refusalInGroup(state, command.context.by.userId, "invite");
  if (refusal) return E.left(refusal);
  const newcomers = [...new Set(command.userIds)].filter((userId) => !state.members.has(userId));
  if (newcomers.length === 0) return E.right([]);
  if (state.members.size + newcomers.length > command.membersMax) return E.left(tooManyMembers(command.membersMax));
  const { historyVisibility } = state.profile.settings;
  const joining = {
    memberCount: state.members.size,
    sequence: state.lastSequence,
    visibleFrom: historyVisibility === "all" ? 1 : state.lastSequence + 1,
    profile: sealedAnew(state.profile, command.sealedAnew),
  };
  const members = newcomers.map((userId) => ({ userId, role: "member" as const }));
  return E.right(joinBatches(members, joining, stamping(command.context, state.lastAt)));
};

/** A name of before is not written in plain text once more, where it is still the one that was sealed. */
const sealedAnew = (
  profile: ConversationProfile,
  { name, description }: NonNullable<JoinMembers["sealedAnew"]> = {},
): ConversationProfile => ({
  ...profile,
  ...(name !== undefined && isPlain(profile.name, name.plain) ? { name: name.text } : {}),
  ...(description !== undefined && isPlain(profile.description, description.plain)
    ? { description: description.text }
    : {}),
});
const isPlain = (text: SealedText | undefined, plain: string): boolean => text?.alg === "none" && text.data === plain;

const decideLeave = (state: Started, command: With<LeaveConversation>): Decision => {
  const { by } = command.context;
  const leaver = state.members.get(command.userId);
  const act = leaver?.role === "owner" ? "removeOwner" : "removeMember";
  const refusal = refusalInGroup(state, by.userId, command.userId === by.userId ? "leave" : act);
  if (refusal) return E.left(refusal);
  if (leaver === undefined) return E.left(notMember);
  const stamp = stamping(command.context, state.lastAt);
  const left: ConversationEvent = {
    type: "MemberLeft",
    ...stamp(),
    userId: command.userId,
    leftAt: state.lastSequence + 1,
    memberCount: state.members.size - 1,
  };
  const heir = heirOf(state, command.userId, leaver);
  return E.right(
    heir === undefined ? [left] : [left, { type: "MemberRoleChanged", ...stamp(), userId: heir, role: "owner" }],
  );
};

/** When the last owner leaves: the longest-standing admin, else member. */
const heirOf = (state: Started, leaverId: UserId, leaver: Member): UserId | undefined => {
  if (leaver.role !== "owner") return undefined;
  const others = [...state.members].filter(([userId]) => userId !== leaverId);
  if (others.some(([, member]) => member.role === "owner")) return undefined;
  const ranked = others.sort(([, a], [, b]) => rank(a) - rank(b) || a.joinedPos - b.joinedPos);
  return ranked[0]?.[0];
};
const rank = (member: Member): number => (member.role === "admin" ? 0 : 1);

const decideRole = (state: Started, command: With<ChangeMemberRole>): Decision => {
  const refusal = refusalInGroup(state, command.context.by.userId, "changeRoles");
  if (refusal) return E.left(refusal);
  const member = state.members.get(command.userId);
  if (member === undefined) return E.left(notMember);
  if (member.role === command.role) return E.right([]);
  const owners = [...state.members.values()].filter(({ role }) => role === "owner").length;
  if (member.role === "owner" && owners === 1)
    return E.left(reject("CONFLICT", "A group keeps an owner: make somebody else an owner first."));
  const { userId, role } = command;
  return E.right([{ type: "MemberRoleChanged", ...stamping(command.context, state.lastAt)(), userId, role }]);
};

/** Name and description are the members' unless `onlyAdminsCanEdit`; settings always need an admin. */
const decideSettings = (state: Started, command: With<ChangeSettings>): Decision => {
  const { settings, ...profile } = command.changes;
  const { userId } = command.context.by;
  const acts: readonly GroupAct[] = [
    ...(Object.keys(profile).length > 0 ? ["editProfile" as const] : []),
    ...(settings === undefined ? [] : ["editSettings" as const]),
  ];
  for (const act of acts) {
    const refusal = refusalInGroup(state, userId, act);
    if (refusal) return E.left(refusal);
  }
  const changes = changedOnly(state.profile, { ...profile, settings: { ...state.profile.settings, ...settings } });
  if (Object.keys(changes).length === 0) return E.right([]);
  return E.right([{ type: "SettingsChanged", ...stamping(command.context, state.lastAt)(), changes }]);
};

const changedOnly = (
  { name, description, settings }: ConversationProfile,
  wanted: { name?: SealedText; description?: SealedText; settings: Settings },
): SettingsChanged["changes"] => ({
  ...(wanted.name === undefined || isSame(wanted.name, name) ? {} : { name: wanted.name }),
  ...(wanted.description === undefined || isSame(wanted.description, description)
    ? {}
    : { description: wanted.description }),
  ...(settingNames.every((key) => wanted.settings[key] === settings[key]) ? {} : { settings: wanted.settings }),
});
/** What was never said is as good as empty. */
const isSame = (wanted: SealedText, known: SealedText = unsealed("")): boolean => sameText(wanted, known);
const settingNames = Object.keys(defaultSettings) as (keyof Settings)[];

export const isOrWasMember = (state: Started, userId: UserId): boolean =>
  state.members.has(userId) || state.former.has(userId);

const notMember = reject("USER_NOT_FOUND", "That user is not a member of this group.");
const tooManyMembers = (max: number): Rejection => reject("TOO_LARGE", `A group has at most ${max} members.`);

/** Also asked before something is made for a command that would be refused. */
export const refusalInGroup = (state: Started, userId: UserId, act: GroupAct | "leave"): Rejection | undefined => {
  const member = state.members.get(userId);
  if (member === undefined) return formerMember;
  if (state.profile.kind === "direct")
    return reject("FORBIDDEN", "A direct conversation has its two members for ever, and no roles or settings.");
  if (act === "leave" || mayInGroup(member.role, act, state.profile.settings)) return undefined;
  return reject("FORBIDDEN", `As ${member.role} you may not do this here (${act}).`);
};
