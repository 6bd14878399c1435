import fc from "fast-check";
import { conversation } from "../../src/domain/conversation/conversation.decide.js";
import { absent, type Conversation, type ConversationCommand } from "../../src/domain/conversation/conversation.js";
import { defaultSettings, type ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { E } from "../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { contextOf } from "./given.js";

/** Random commands of a few users on one conversation, and the history that deciding them makes. */
export const userIds = ["alice", "bob", "carol", "dave"] as const;
export const conversationId = "g_0123456789abcdefghijkl";

const user = fc.constantFrom(...userIds);

const start = (members: readonly string[], settings: Partial<typeof defaultSettings>) => ({
  type: "StartConversation" as const,
  conversationId,
  home: "main",
  profile: { kind: "group" as const, name: "Friends", settings: { ...defaultSettings, ...settings } },
  members: members.map((userId, index) => ({ userId, role: index === 0 ? ("owner" as const) : ("member" as const) })),
});

export const sendCommand = (by: string, clientMessageId: string) => ({
  type: "SendMessage" as const,
  messageId: messageIdOf(conversationId, { userId: by, deviceId: "phone" }, clientMessageId),
  clientMessageId,
  contentType: "text" as const,
  content: { alg: "none" as const, keyId: "", data: `{"type":"text","text":"${clientMessageId}"}` },
});

const body = (by: string): fc.Arbitrary<WithoutContext> =>
  fc.oneof(
    {
      weight: 1,
      arbitrary: fc
        .subarray([...userIds], { minLength: 1 })
        .map((userIds) => ({ type: "JoinMembers" as const, userIds })),
    },
    { weight: 1, arbitrary: user.map((userId) => ({ type: "RemoveMember" as const, userId })) },
    { weight: 4, arbitrary: fc.constantFrom("m1", "m2", "m3", "m4").map((id) => sendCommand(by, id)) },
    {
      weight: 1,
      arbitrary: fc
        .record({ onlyAdminsCanPost: fc.boolean(), allowMemberInvites: fc.boolean() })
        .map((settings) => start([by], settings)),
    },
  );

type WithoutContext = ConversationCommand extends infer C
  ? C extends { context: unknown }
    ? Omit<C, "context">
    : never
  : never;

/** A start and up to thirty more commands, each with its own id, at times that jump back now and then. */
export const commands: fc.Arbitrary<readonly ConversationCommand[]> = fc
  .tuple(
    fc.subarray([...userIds], { minLength: 1 }),
    fc.array(
      user.chain((by) => fc.tuple(fc.constant(by), body(by), fc.integer({ min: 0, max: 10_000 }))),
      { maxLength: 30 },
    ),
  )
  .map(([members, rest]) => [
    { ...start(members, {}), context: contextOf(members[0] ?? "alice", 5_000, "start") },
    ...rest.map(([by, command, now], index) => ({ ...command, context: contextOf(by, now, `c-${index}`) })),
  ]);

export type Run = { readonly state: Conversation; readonly events: readonly ConversationEvent[] };

/** Decides the commands one after another. A fresh state each time: states share their recent messages. */
export const run = (all: readonly ConversationCommand[]): Run =>
  all.reduce<Run>(
    ({ state, events }, command) => {
      const decision = conversation.decide(state, command);
      const decided = E.isRight(decision) ? decision.right : [];
      return { state: decided.reduce(conversation.evolve, state), events: [...events, ...decided] };
    },
    { state: absent, events: [] },
  );

export const fold = (events: readonly ConversationEvent[]): Conversation => events.reduce(conversation.evolve, absent);
