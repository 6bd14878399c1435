import fc from "fast-check";
import { conversation } from "../../src/domain/conversation/conversation.decide.js";
import type { Conversation, ConversationCommand } from "../../src/domain/conversation/conversation.js";
import { defaultSettings, type ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { E } from "../../src/domain/kernel/fp.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import type { Messages } from "../../src/domain/conversation/messages.js";
import { contextOf, folded } from "./given.js";
import { reactionWith } from "./reactions.js";
import { sealedText } from "./texts.js";
import { asRevision } from "../../src/domain/kernel/stream.js";

/** Random commands of a few users on one conversation, and the history that deciding them makes. */
export const userIds = ["alice", "bob", "carol", "dave"] as const;
export const conversationId = "g_0123456789abcdefghijkl";

const user = fc.constantFrom(...userIds);

export const startCommand = (members: readonly string[], settings: Partial<typeof defaultSettings>) => ({
  type: "StartConversation" as const,
  conversationId,
  home: "main",
  profile: { kind: "group" as const, name: sealedText("Friends"), settings: { ...defaultSettings, ...settings } },
  members: members.map((userId, index) => ({ userId, role: index === 0 ? ("owner" as const) : ("member" as const) })),
  membersMax: limits.groupMembersMax,
});

export const sendCommand = (by: string, clientMessageId: string) => ({
  type: "SendMessage" as const,
  messageId: messageIdOf(conversationId, { userId: by, deviceId: "phone" }, clientMessageId),
  clientMessageId,
  contentType: "text" as const,
  content: { alg: "none" as const, keyId: "", data: `{"type":"text","text":"${clientMessageId}"}` },
});

/** The id that `sendCommand` gives alice's message `m1`. */
export const messageOf = (by: string, clientMessageId: string): string =>
  messageIdOf(conversationId, { userId: by, deviceId: "phone" }, clientMessageId);

export const editCommand = (messageId: string, text: string) => ({
  type: "EditMessage" as const,
  messageId,
  contentType: "text" as const,
  content: { alg: "none" as const, keyId: "", data: JSON.stringify({ type: "text", text }) },
  digests: [`digest of ${text}`] as const,
});

const key = fc.constantFrom("m1", "m2", "m3", "m4");
/** Of any user's messages, most of which are there. */
const someMessage = fc.tuple(user, key).map(([by, id]) => messageOf(by, id));
const wished = (weight: number, arbitrary: fc.Arbitrary<WithoutContext>) => ({ weight, arbitrary });

const body = (by: string): fc.Arbitrary<WithoutContext> =>
  fc.oneof(
    wished(
      1,
      fc.subarray([...userIds], { minLength: 1 }).map((joining) => ({
        type: "JoinMembers" as const,
        userIds: joining,
        membersMax: limits.groupMembersMax,
      })),
    ),
    wished(
      1,
      user.map((userId) => ({ type: "LeaveConversation" as const, userId })),
    ),
    wished(
      1,
      fc.record({
        type: fc.constant("ChangeMemberRole" as const),
        userId: user,
        role: fc.constantFrom("owner", "admin", "member"),
      }),
    ),
    wished(
      1,
      fc
        .record({ onlyAdminsCanPost: fc.boolean(), onlyAdminsCanEdit: fc.boolean(), historyVisibility })
        .map((settings) => ({ type: "ChangeSettings" as const, changes: { settings } })),
    ),
    wished(
      1,
      fc
        .constantFrom("Friends", "Foes")
        .map((name) => ({ type: "ChangeSettings" as const, changes: { name: sealedText(name) } })),
    ),
    wished(
      6,
      fc.tuple(key, fc.option(someMessage, { nil: undefined, freq: 3 })).map(([id, replyTo]) => ({
        ...sendCommand(by, id),
        ...(replyTo === undefined ? {} : { replyTo, mentions: ["alice", "bob", "nobody"], forwarded: true as const }),
      })),
    ),
    wished(
      3,
      fc.tuple(key, fc.constantFrom("a", "b")).map(([id, text]) => editCommand(messageOf(by, id), text)),
    ),
    wished(
      1,
      someMessage.map((messageId) => ({ type: "DeleteMessage" as const, messageId })),
    ),
    wished(
      3,
      fc
        .record({
          type: fc.constantFrom("AddReaction" as const, "RemoveReaction" as const),
          messageId: someMessage,
          emoji: fc.constantFrom("👍", "🎉"),
        })
        .map(({ emoji, ...wish }) => ({ ...wish, ...reactionWith(emoji) })),
    ),
    wished(
      1,
      fc
        .record({ onlyAdminsCanPost: fc.boolean(), allowMemberInvites: fc.boolean() })
        .map((settings) => startCommand([by], settings)),
    ),
  );
const historyVisibility = fc.constantFrom("since_join" as const, "all" as const);

type WithoutContext = ConversationCommand extends infer C
  ? C extends { context: unknown }
    ? Omit<C, "context">
    : never
  : never;

/** A start and up to forty more commands, each with its own id, at times that jump back now and then. */
export const commands: fc.Arbitrary<readonly ConversationCommand[]> = fc
  .tuple(
    fc.subarray([...userIds], { minLength: 1 }),
    fc.array(
      user.chain((by) => fc.tuple(fc.constant(by), body(by), fc.integer({ min: 0, max: 10_000 }))),
      { maxLength: 40 },
    ),
  )
  .map(([members, rest]) => [
    { ...startCommand(members, {}), context: contextOf(members[0] ?? "alice", 5_000, "start") },
    ...rest.map(([by, command, now], index) => ({ ...command, context: contextOf(by, now, `c-${index}`) })),
  ]);

export type Folded = { readonly state: Conversation; readonly index: Messages };
export type Run = Folded & { readonly events: readonly ConversationEvent[] };

/** Decides the commands one after another, each on what was accepted before it. */
export const run = (all: readonly ConversationCommand[]): Run => {
  const index = conversation.index.empty();
  let state = conversation.initial();
  const events: ConversationEvent[] = [];
  for (const command of all) {
    const decision = conversation.decide(state, command, index);
    for (const event of E.isRight(decision) ? decision.right : []) {
      state = conversation.evolve(state, event);
      conversation.index.fold(index, event, asRevision(events.length));
      events.push(event);
    }
  }
  return { state, index, events };
};

export const fold = (events: readonly ConversationEvent[]): Folded => folded(conversation, events);

/** Folds what comes after the first `revision` events: the state anew, the index in place. */
export const foldOn = ({ state, index }: Folded, revision: number, events: readonly ConversationEvent[]): Folded => {
  events.forEach((event, offset) => {
    conversation.index.fold(index, event, asRevision(revision + offset));
  });
  return { state: events.reduce(conversation.evolve, state), index };
};

/** What the commands say on that history: events, or a refusal. */
export const decided = (events: readonly ConversationEvent[], command: ConversationCommand) => {
  const { state, index } = fold(events);
  return conversation.decide(state, command, index);
};
