import { describe, expect, it } from "vitest";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import type { ConversationCommand } from "../../../src/domain/conversation/conversation.js";
import {
  defaultSettings,
  type ConversationEvent,
  type Settings,
} from "../../../src/domain/conversation/conversation.events.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { decided, editCommand, messageOf, sendCommand, startCommand } from "../../kit/conversations.js";
import { contextOf, given } from "../../kit/given.js";
import { reactionWith } from "../../kit/reactions.js";
import { unsealed } from "../../../src/domain/kernel/sealed.js";
import { sealedText } from "../../kit/texts.js";

/** PROTOCOL §6, cell by cell, on the decider: which role may do it with the default settings, and which with the other one. */
const roles = ["owner", "admin", "member", "former", "stranger"] as const;
type Role = (typeof roles)[number];

type Row = {
  readonly act: string;
  readonly command: (role: Role) => WithoutContext;
  readonly allowed: readonly Role[];
  readonly settings?: Partial<Settings>;
};
type WithoutContext = ConversationCommand extends infer C ? (C extends unknown ? Omit<C, "context"> : never) : never;

const all: readonly Role[] = ["owner", "admin", "member"];
const admins: readonly Role[] = ["owner", "admin"];
const owners: readonly Role[] = ["owner"];
const invite = { type: "JoinMembers" as const, userIds: ["newcomer"], membersMax: limits.groupMembersMax };
const leave = (userId: string) => ({ type: "LeaveConversation" as const, userId });
const role = (userId: string, next: "owner" | "admin" | "member") => ({
  type: "ChangeMemberRole" as const,
  userId,
  role: next,
});
const change = (changes: object) => ({ type: "ChangeSettings" as const, changes });
const others = messageOf("other", "m1");
const closed = { onlyAdminsCanPost: true, onlyAdminsCanEdit: true, allowMemberInvites: false };

const rows: readonly Row[] = [
  { act: "post", command: (who) => sendCommand(who, "new"), allowed: all },
  { act: "post", command: (who) => sendCommand(who, "new"), allowed: admins, settings: closed },
  { act: "invite", command: () => invite, allowed: all },
  { act: "invite", command: () => invite, allowed: admins, settings: closed },
  { act: "remove a member", command: () => leave("other"), allowed: admins },
  { act: "remove an admin", command: () => leave("admin2"), allowed: admins },
  { act: "remove an owner", command: () => leave("owner2"), allowed: owners },
  { act: "leave", command: leave, allowed: all, settings: closed },
  { act: "rename", command: () => change({ name: sealedText("New") }), allowed: all },
  { act: "rename", command: () => change({ name: sealedText("New") }), allowed: admins, settings: closed },
  { act: "describe", command: () => change({ description: "New" }), allowed: all },
  { act: "describe", command: () => change({ description: "New" }), allowed: admins, settings: closed },
  { act: "change settings", command: () => change({ settings: { historyVisibility: "all" } }), allowed: admins },
  { act: "make an owner", command: () => role("other", "owner"), allowed: owners },
  { act: "make an admin", command: () => role("other", "admin"), allowed: owners },
  { act: "demote an admin", command: () => role("admin2", "member"), allowed: owners },
  { act: "demote an owner", command: () => role("owner2", "member"), allowed: owners },
  { act: "edit another's message", command: () => editCommand(others, "b"), allowed: [] },
  { act: "delete another's message", command: () => ({ type: "DeleteMessage", messageId: others }), allowed: admins },
  {
    act: "react",
    command: () => ({ type: "AddReaction", messageId: others, ...reactionWith("👍") }),
    allowed: all,
    settings: closed,
  },
];

const history = (settings: Partial<Settings>): readonly ConversationEvent[] => {
  const members = (["owner", "owner2", "admin", "admin2", "member", "other", "former"] as const).map((userId) => ({
    userId,
    role: userId.startsWith("owner")
      ? ("owner" as const)
      : userId.startsWith("admin")
        ? ("admin" as const)
        : ("member" as const),
  }));
  const commands: readonly ConversationCommand[] = [
    { ...startCommand([], {}), members, context: contextOf("owner", 1, "start") },
    { ...sendCommand("other", "m1"), context: contextOf("other", 2, "m1") },
    { ...leave("former"), context: contextOf("former", 3, "leave") },
    { ...change({ settings: { ...defaultSettings, ...settings } }), context: contextOf("owner", 4, "settings") },
  ];
  return commands.reduce<readonly ConversationEvent[]>(
    (events, command) => [...events, ...given(conversation, events).when(command).events()],
    [],
  );
};

const cells = rows.flatMap((row) => roles.map((who) => ({ ...row, who, may: row.allowed.includes(who) })));

describe("the permission matrix", () => {
  it.each(cells)("$who may $act: $may ($settings)", ({ command, who, may, settings = {} }) => {
    const decision = decided(history(settings), { ...command(who), context: contextOf(who, 10, "act") });
    if (may) expect(E.isRight(decision) && decision.right.length).toBeGreaterThan(0);
    else
      expect(decision).toMatchObject({ left: { code: who === "stranger" ? "CONVERSATION_NOT_FOUND" : "FORBIDDEN" } });
  });

  it("keeps an owner", () => {
    const events = [...history({})];
    const run = (command: WithoutContext) =>
      given(conversation, events).when({
        ...command,
        context: contextOf("owner", 10, `c-${events.length}`),
      });
    events.push(...run(role("owner2", "member")).events());
    run(role("owner", "member")).thenRejected("CONFLICT");
    run(role("owner", "owner")).then();
    run(role("nobody", "admin")).thenRejected("USER_NOT_FOUND");
    run(leave("owner")).then({ type: "MemberLeft" }, { type: "MemberRoleChanged", userId: "admin", role: "owner" });
  });

  it("writes only what changes", () => {
    const run = (changes: object) =>
      given(conversation, history({})).when({ ...change(changes), context: contextOf("owner") });
    run({ name: sealedText("Friends"), description: unsealed(""), settings: { allowMemberInvites: true } }).then();
    run({ name: sealedText("Friends"), description: sealedText("We") }).then({
      type: "SettingsChanged",
      changes: { description: sealedText("We") },
    });
    run({ settings: { onlyAdminsCanPost: true } }).then({
      type: "SettingsChanged",
      changes: { settings: { ...defaultSettings, onlyAdminsCanPost: true } },
    });
  });
});
