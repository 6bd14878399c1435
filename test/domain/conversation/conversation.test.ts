import { describe, expect, it } from "vitest";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import type { ConversationCommand } from "../../../src/domain/conversation/conversation.js";
import {
  defaultSettings,
  type ConversationEvent,
  type Settings,
} from "../../../src/domain/conversation/conversation.events.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { conversationId, sendCommand } from "../../kit/conversations.js";
import { contextOf, given } from "../../kit/given.js";
import { sealedText } from "../../kit/texts.js";

const startGroup = (others: readonly string[], settings: Partial<Settings> = {}): ConversationCommand => ({
  type: "StartConversation",
  conversationId,
  home: "main",
  profile: { kind: "group", name: sealedText("Friends"), settings: { ...defaultSettings, ...settings } },
  members: [{ userId: "alice", role: "owner" }, ...others.map((userId) => ({ userId, role: "member" as const }))],
  membersMax: limits.groupMembersMax,
  context: contextOf("alice", 100, "start"),
});

const started = (others: readonly string[] = ["bob"], settings: Partial<Settings> = {}) =>
  given(conversation).when(startGroup(others, settings)).events();

const direct = given(conversation)
  .when({
    type: "StartConversation",
    conversationId,
    home: "main",
    profile: { kind: "direct", settings: defaultSettings },
    members: [
      { userId: "alice", role: "member" },
      { userId: "bob", role: "member" },
    ],
    membersMax: 2,
    context: contextOf("alice"),
  })
  .events();

const send = (by: string, clientMessageId = "m1", now = 200): ConversationCommand => ({
  ...sendCommand(by, clientMessageId),
  context: contextOf(by, now, `send-${clientMessageId}`),
});
const remove = (by: string, userId: string): ConversationCommand => ({
  type: "LeaveConversation",
  userId,
  context: contextOf(by, 300, `remove-${userId}`),
});
const join = (by: string, ...userIds: string[]): ConversationCommand => ({
  type: "JoinMembers",
  userIds,
  membersMax: limits.groupMembersMax,
  context: contextOf(by, 400, `join-${userIds.join()}`),
});

const after = (history: readonly ConversationEvent[], ...commands: readonly ConversationCommand[]) =>
  commands.reduce((events, command) => [...events, ...given(conversation, events).when(command).events()], history);

describe("starting", () => {
  it("writes the start and its members in batches that an event can carry", () => {
    const others = Array.from({ length: 600 }, (_, index) => `user-${index}`);
    const events = given(conversation)
      .when(startGroup(others))
      .then(
        { type: "ConversationStarted", home: "main" },
        { type: "MemberJoined", memberCount: 256, sequence: 0 },
        { type: "MemberJoined", memberCount: 512 },
        { type: "MemberJoined", memberCount: 601 },
      );
    for (const event of events) expect(JSON.stringify(event).length).toBeLessThan(limits.eventBytesMax);
  });

  it("finds what was started before", () => {
    given(conversation, started())
      .when(startGroup(["carol"]))
      .then();
  });

  it("refuses more members than a group may have", () => {
    const others = Array.from({ length: limits.groupMembersMax }, (_, index) => `user-${index}`);
    given(conversation).when(startGroup(others)).thenRejected("TOO_LARGE");
  });
});

describe("sending", () => {
  it("numbers the message and keeps the stream's time", () => {
    given(conversation, started())
      .when(send("bob", "m1", 50))
      .then({ type: "MessageSent", sequence: 1, at: 100 });
  });

  it("answers a known key to a user who has it, before asking what they may do", () => {
    const removed = after(started(), send("bob"), remove("alice", "bob"));
    given(conversation, removed).when(send("bob")).then();
    given(conversation, removed).when(send("bob", "m2")).thenRejected("FORBIDDEN");
  });

  it("does not exist for a stranger", () => {
    given(conversation, started()).when(send("mallory")).thenRejected("CONVERSATION_NOT_FOUND");
    given(conversation).when(send("alice")).thenRejected("CONVERSATION_NOT_FOUND");
  });

  it("is for admins only where the group says so", () => {
    const history = started(["bob"], { onlyAdminsCanPost: true });
    given(conversation, history).when(send("bob")).thenRejected("FORBIDDEN");
    given(conversation, history).when(send("alice")).then({ type: "MessageSent" });
  });
});

describe("membership", () => {
  it("shows a newcomer what history the group shows", () => {
    const since = after(started(), send("bob"));
    given(conversation, since)
      .when(join("bob", "carol", "bob"))
      .then({ type: "MemberJoined", visibleFrom: 2, sequence: 1 });
    const all = after(started(["bob"], { historyVisibility: "all" }), send("bob"));
    given(conversation, all).when(join("alice", "carol")).then({ type: "MemberJoined", visibleFrom: 1, sequence: 1 });
  });

  it("ignores those who are there", () => {
    given(conversation, started()).when(join("alice", "bob")).then();
  });

  it("lets members invite only where the group says so", () => {
    given(conversation, started(["bob"], { allowMemberInvites: false }))
      .when(join("bob", "carol"))
      .thenRejected("FORBIDDEN");
  });

  it("counts the size of the group at joining", () => {
    const others = Array.from({ length: limits.groupMembersMax - 1 }, (_, index) => `user-${index}`);
    given(conversation, started(others)).when(join("alice", "carol")).thenRejected("TOO_LARGE");
  });

  it("lets admins remove, anyone leave, and nobody remove a stranger", () => {
    given(conversation, started()).when(remove("bob", "alice")).thenRejected("FORBIDDEN");
    given(conversation, started()).when(remove("alice", "carol")).thenRejected("USER_NOT_FOUND");
    given(conversation, started())
      .when(remove("bob", "bob"))
      .then({ type: "MemberLeft", userId: "bob", leftAt: 1, memberCount: 1 });
  });

  it("hands the group on when its last owner leaves", () => {
    given(conversation, started(["bob", "carol"]))
      .when(remove("alice", "alice"))
      .then({ type: "MemberLeft" }, { type: "MemberRoleChanged", userId: "bob", role: "owner" });
    given(conversation, started([])).when(remove("alice", "alice")).then({ type: "MemberLeft", memberCount: 0 });
  });

  it("never changes in a direct conversation", () => {
    given(conversation, direct).when(join("alice", "carol")).thenRejected("FORBIDDEN");
    given(conversation, direct).when(remove("alice", "alice")).thenRejected("FORBIDDEN");
  });
});
