import type { ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { defaultSettings } from "../../src/domain/conversation/conversation.events.js";
import type { ReceiptsEvent } from "../../src/domain/receipts/receipts.events.js";
import type { UserEvent } from "../../src/domain/user/user.events.js";
import { unsealed } from "../../src/domain/kernel/sealed.js";
import { conversationId, messageOf } from "../kit/conversations.js";
import { emojiBefore, emojiOf } from "../kit/reactions.js";
import { sealedText } from "../kit/texts.js";

/**
 * One history of every aggregate with every kind of event, the same for ever: what it folds to is what a version of a
 * snapshot means. Long enough that messages leave the window and a block of the filter is full.
 */
type Undated<E> = E extends unknown ? Omit<E, "id" | "at" | "by"> : never;

const dated = <E>(events: readonly (Undated<E> & { readonly who?: string })[]): readonly E[] =>
  events.map(({ who = "alice", ...event }, index) => ({
    ...event,
    id: `event-${index}`,
    at: 1_000 + index,
    by: { kind: "user", userId: who, deviceId: "phone" },
  })) as unknown as readonly E[];

const profile = {
  kind: "group" as const,
  name: unsealed("Golden"),
  description: sealedText("What never changes"),
  ...{ settings: defaultSettings, createdBy: "alice", createdAt: 1 },
};
const join = (userIds: readonly string[], sequence: number, memberCount: number) => ({
  type: "MemberJoined" as const,
  members: userIds.map((userId) => ({ userId, role: userId === "alice" ? ("owner" as const) : ("member" as const) })),
  ...{ visibleFrom: sequence + 1, sequence, memberCount, profile },
});
const content = { alg: "none" as const, keyId: "", data: '{"type":"text","text":"x"}' };
const said = (sequence: number, who: string) => {
  const clientMessageId = `m${sequence}`;
  const messageId = messageOf(who, clientMessageId);
  return {
    type: "MessageSent" as const,
    who,
    messageId,
    sequence,
    clientMessageId,
    contentType: "text" as const,
    content,
  };
};
const many = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => said(from + index, index % 3 === 0 ? "bob" : "alice"));
/** The `sequence`-th of `many(1, …)`. */
const named = (sequence: number) => {
  const { messageId } = said(sequence, (sequence - 1) % 3 === 0 ? "bob" : "alice");
  return { messageId, sequence };
};

const conversation = dated<ConversationEvent>([
  { type: "ConversationStarted", conversationId, home: "main", profile },
  join(["alice", "bob", "carol"], 0, 3),
  ...many(1, 1_200),
  { type: "MemberLeft", userId: "carol", leftAt: 1_200, memberCount: 2 },
  { type: "MemberLeft", userId: "bob", leftAt: 1_200, memberCount: 1 },
  ...many(1_200, 2_300),
  join(["bob"], 2_299, 2),
  { type: "MemberRoleChanged", userId: "bob", role: "admin" },
  {
    type: "SettingsChanged",
    changes: { name: sealedText("Renamed"), messageTtl: 60_000, settings: { ...defaultSettings, onlyAdminsCanPost: true } },
  },
  { type: "MessageEdited", ...named(2_000), contentType: "text", content, digest: "first" },
  { type: "MessageEdited", ...named(2_000), contentType: "text", content, digest: "second" },
  { type: "MessageDeleted", ...named(3) },
  { type: "ReactionAdded", ...named(2_001), ...emojiOf("👍") },
  { type: "ReactionAdded", ...named(2_001), ...emojiOf("🎉"), who: "bob" },
  { type: "ReactionRemoved", ...named(2_001), ...emojiOf("👍") },
  { type: "ReactionAdded", ...named(2_002), ...emojiBefore("❤\ufe0f") },
  { type: "ReactionAdded", ...named(2_002), ...emojiOf("❤"), who: "bob" },
]);

const receipts = dated<ReceiptsEvent>([
  {
    type: "ReceiptsAdvanced",
    conversationId,
    cursors: [
      { userId: "bob", deviceId: "phone", at: 1, deliveredUpTo: 5, readUpTo: 3 },
      { userId: "bob", deviceId: "laptop", at: 2, deliveredUpTo: 2 },
      { userId: "carol", deviceId: "phone", at: 3, readUpTo: 4, private: true },
    ],
  },
]);

const user = dated<UserEvent>([
  { type: "UserRegistered", userId: "alice", home: "main" },
  { type: "DeviceRegistered", deviceId: "phone", deviceType: "mobile" },
  { type: "DeviceRegistered", deviceId: "laptop", deviceType: "desktop" },
  { type: "DeviceRemoved", deviceId: "laptop" },
  { type: "ProfileChanged", changes: { displayName: sealedText("Alice"), privacy: { lastSeen: "nobody", readReceipts: false } } },
  { type: "PreferencesChanged", conversationId, changes: { pinned: 1, mutedUntil: 5 } },
  { type: "PreferencesChanged", conversationId, changes: { archived: true, mutedUntil: null } },
  { type: "UserErased", reason: "golden" },
]);

export const goldenHistory = { conversation, receipts, user };
