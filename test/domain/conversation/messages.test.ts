import { describe, expect, it } from "vitest";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import type { ConversationCommand, OldMessage } from "../../../src/domain/conversation/conversation.js";
import type { ConversationEvent } from "../../../src/domain/conversation/conversation.events.js";
import { lookUpsFor } from "../../../src/domain/conversation/message.decide.js";
import { reactionKey } from "../../../src/domain/conversation/amendments.js";
import { amendmentsKnownFrom } from "../../../src/domain/conversation/messages.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { editCommand, fold, messageOf, sendCommand, startCommand } from "../../kit/conversations.js";
import { contextOf, given } from "../../kit/given.js";
import { asRevision } from "../../../src/domain/kernel/stream.js";
import { emojiBefore, emojiOf, reactionWith } from "../../kit/reactions.js";

let commandsMade = 0;
const by = <C extends object>(userId: string, command: C) => ({
  ...command,
  context: contextOf(userId, 1_000, `c-${commandsMade++}`),
});
const send = (userId: string, id: string, replyTo?: string): ConversationCommand =>
  by(userId, { ...sendCommand(userId, id), ...(replyTo === undefined ? {} : { replyTo }) });
const edit = (userId: string, messageId: string, text: string): ConversationCommand =>
  by(userId, editCommand(messageId, text));
const remove = (userId: string, messageId: string): ConversationCommand =>
  by(userId, { type: "DeleteMessage" as const, messageId });
const react = (userId: string, messageId: string, emoji = "👍", adding = true): ConversationCommand =>
  by(userId, {
    type: adding ? ("AddReaction" as const) : ("RemoveReaction" as const),
    messageId,
    ...reactionWith(emoji),
  });
const join = (userId: string, ...userIds: string[]): ConversationCommand =>
  by(userId, { type: "JoinMembers" as const, userIds, membersMax: limits.groupMembersMax });
const leave = (userId: string): ConversationCommand => by(userId, { type: "LeaveConversation" as const, userId });

const after = (history: readonly ConversationEvent[], ...commands: readonly ConversationCommand[]) =>
  commands.reduce((events, command) => [...events, ...given(conversation, events).when(command).events()], history);

/** alice owns, bob and carol are members, bob has said m1. */
const group = after([], by("alice", startCommand(["alice", "bob", "carol"], {})), send("bob", "m1"));
const direct = after(
  [],
  by("alice", { ...startCommand(["alice", "bob"], {}), profile: { ...startCommand([], {}).profile, kind: "direct" } }),
  send("bob", "m1"),
);
const m1 = messageOf("bob", "m1");
const unknown = messageOf("bob", "never sent");

describe("sending", () => {
  const send = (more: object) => by("alice", { ...sendCommand("alice", "m9"), ...more });
  const sent = (more: object) => {
    const [event] = given(conversation, group).when(send(more)).events();
    if (event?.type !== "MessageSent") throw new Error("nothing was sent");
    return event;
  };

  it("names present members alone, each once", () => {
    const mentions = ["bob", "nobody", "carol", "bob", "alice"];
    expect(sent({ mentions }).mentions).toEqual(["bob", "carol", "alice"]);
    const without = after(group, leave("carol"));
    given(conversation, without)
      .when(send({ mentions }))
      .then({ type: "MessageSent", mentions: ["bob", "alice"] });
    for (const nobody of [[], ["nobody"]]) expect(sent({ mentions: nobody })).not.toHaveProperty("mentions");
    expect(sent({})).not.toHaveProperty("mentions");
  });

  it("says that a message is forwarded, and of none that it is not", () => {
    expect(sent({ forwarded: true }).forwarded).toBe(true);
    expect(sent({})).not.toHaveProperty("forwarded");
  });
});

describe("editing", () => {
  it("is of one's own messages", () => {
    given(conversation, group)
      .when(edit("bob", m1, "b"))
      .then({ type: "MessageEdited", messageId: m1, sequence: 1, digest: "digest of b" });
    given(conversation, group)
      .when(edit("alice", m1, "b"))
      .thenRejected("FORBIDDEN");
    given(conversation, group)
      .when(edit("bob", unknown, "b"))
      .thenRejected("MESSAGE_NOT_FOUND");
  });

  it("writes nothing for the content that is there, and everything for one that was there before", () => {
    const edited = after(group, edit("bob", m1, "b"));
    given(conversation, edited)
      .when(edit("bob", m1, "b"))
      .then();
    const back = after(edited, edit("bob", m1, "c"));
    given(conversation, back)
      .when(edit("bob", m1, "b"))
      .then({ type: "MessageEdited" });
  });

  it("keeps the type of the content and does not revive", () => {
    const image = { ...edit("bob", m1, "b"), contentType: "image" as const } as ConversationCommand;
    given(conversation, group).when(image).thenRejected("INVALID_MESSAGE");
    given(conversation, after(group, remove("bob", m1)))
      .when(edit("bob", m1, "b"))
      .thenRejected("MESSAGE_NOT_FOUND");
  });
});

describe("deleting", () => {
  it("is of one's own, and in groups of anybody's by admins and owners", () => {
    for (const who of ["bob", "alice"])
      given(conversation, group).when(remove(who, m1)).then({ type: "MessageDeleted", messageId: m1, sequence: 1 });
    given(conversation, group).when(remove("carol", m1)).thenRejected("FORBIDDEN");
    given(conversation, direct).when(remove("alice", m1)).thenRejected("FORBIDDEN");
    given(conversation, direct).when(remove("bob", m1)).then({ type: "MessageDeleted" });
  });

  it("twice is once", () => {
    given(conversation, after(group, remove("bob", m1)))
      .when(remove("bob", m1))
      .then();
  });
});

describe("reacting", () => {
  it("adds and removes one's own once", () => {
    given(conversation, group)
      .when(react("carol", m1))
      .then({ type: "ReactionAdded", ...emojiOf("👍"), sequence: 1 });
    const reacted = after(group, react("carol", m1));
    given(conversation, reacted).when(react("carol", m1)).then();
    given(conversation, reacted).when(react("alice", m1)).then({ type: "ReactionAdded" });
    given(conversation, reacted)
      .when(react("alice", m1, "👍", false))
      .then();
    given(conversation, reacted)
      .when(react("carol", m1, "👍", false))
      .then({ type: "ReactionRemoved" });
  });

  it("has fifty different emoji on a message and any number of users on each", () => {
    const emojis = Array.from({ length: limits.reactionsPerMessageMax }, (_, index) => `e${index}`);
    const full = after(group, ...emojis.map((emoji) => react("carol", m1, emoji)));
    given(conversation, full)
      .when(react("carol", m1, "one more"))
      .thenRejected("TOO_LARGE");
    given(conversation, full)
      .when(react("alice", m1, "e0"))
      .then({ type: "ReactionAdded" });
    const room = after(full, react("carol", m1, "e0", false));
    given(conversation, room)
      .when(react("carol", m1, "one more"))
      .then({ type: "ReactionAdded" });
  });

  it("is one, in whatever form it was written: added once, and taken back as it was written", () => {
    const about = { messageId: m1, sequence: 1 };
    const stamp = { id: "e", at: 1_000, by: contextOf("carol").by };
    const before: ConversationEvent = { type: "ReactionAdded", ...stamp, ...about, ...emojiBefore("❤\ufe0f") };
    const old = [...group, before];
    given(conversation, old)
      .when(react("carol", m1, "❤"))
      .then();
    given(conversation, old)
      .when(react("alice", m1, "❤"))
      .then({ type: "ReactionAdded", ...emojiOf("❤") });
    given(conversation, old)
      .when(react("carol", m1, "❤", false))
      .then({ type: "ReactionRemoved", digest: emojiBefore("❤").digest });
    // By a process of before and by one of today at once.
    const both = [...old, { ...before, ...emojiOf("❤") }];
    given(conversation, both)
      .when(react("carol", m1, "❤", false))
      .then({ digest: emojiOf("❤").digest }, { digest: emojiBefore("❤").digest });
    given(conversation, after(both, react("carol", m1, "❤", false)))
      .when(react("carol", m1, "❤", false))
      .then();
  });

  it("counts an emoji once that is there in two forms", () => {
    const emojis = Array.from({ length: limits.reactionsPerMessageMax }, (_, index) => `e${index}`);
    const stamp = { id: "e", at: 1_000, by: contextOf("carol").by, messageId: m1, sequence: 1 };
    const before = emojis
      .slice(1)
      .map((emoji): ConversationEvent => ({ type: "ReactionAdded", ...stamp, ...emojiBefore(emoji) }));
    const both = after([...group, ...before], ...emojis.slice(1).map((emoji) => react("alice", m1, emoji)));
    expect(both).toHaveLength(group.length + 2 * before.length);
    given(conversation, both)
      .when(react("bob", m1, "e0"))
      .then({ type: "ReactionAdded", ...emojiOf("e0") });
    given(conversation, after(both, react("bob", m1, "e0")))
      .when(react("bob", m1, "one more"))
      .thenRejected("TOO_LARGE");
    given(conversation, after(both, react("bob", m1, "e0")))
      .when(react("bob", m1, "e1"))
      .then({ type: "ReactionAdded" });
  });

  it("is refused, and never written unsealed, where no key was read for it", () => {
    given(conversation, group)
      .when({ ...react("carol", m1), sealed: undefined } as ConversationCommand)
      .thenRejected("UNAVAILABLE");
    given(conversation, group)
      .when({ ...react("mallory", m1), sealed: undefined } as ConversationCommand)
      .thenRejected("CONVERSATION_NOT_FOUND");
  });

  it("is not for what was deleted, nor for what is not there", () => {
    given(conversation, after(group, remove("bob", m1)))
      .when(react("carol", m1))
      .thenRejected("MESSAGE_NOT_FOUND");
    given(conversation, group).when(react("carol", unknown)).thenRejected("MESSAGE_NOT_FOUND");
    given(conversation, group).when(react("mallory", m1)).thenRejected("CONVERSATION_NOT_FOUND");
  });
});

describe("replying", () => {
  it("names a message of the conversation that the sender sees, deleted or not", () => {
    given(conversation, group)
      .when(send("carol", "r", m1))
      .then({ type: "MessageSent", replyTo: m1 });
    given(conversation, after(group, remove("bob", m1)))
      .when(send("carol", "r", m1))
      .then({ type: "MessageSent", replyTo: m1 });
    given(conversation, group)
      .when(send("carol", "r", unknown))
      .thenRejected("MESSAGE_NOT_FOUND");
  });

  it("does not reach what was said before one came, or while one was away", () => {
    const joined = after(group, join("alice", "dave"));
    given(conversation, joined)
      .when(send("dave", "r", m1))
      .thenRejected("MESSAGE_NOT_FOUND");
    given(conversation, joined).when(react("dave", m1)).thenRejected("MESSAGE_NOT_FOUND");

    const back = after(group, leave("carol"), send("bob", "m2"), join("alice", "carol"), send("bob", "m3"));
    given(conversation, back).when(react("carol", m1)).then({ type: "ReactionAdded" });
    given(conversation, back)
      .when(react("carol", messageOf("bob", "m2")))
      .thenRejected("MESSAGE_NOT_FOUND");
    given(conversation, back)
      .when(react("carol", messageOf("bob", "m3")))
      .then({ type: "ReactionAdded" });
  });

  it("is not for a user who has left", () => {
    const left = after(group, leave("carol"));
    for (const command of [send("carol", "r", m1), react("carol", m1), edit("carol", m1, "x"), remove("carol", m1)])
      given(conversation, left).when(command).thenRejected("FORBIDDEN");
  });
});

describe("messages from before the window", () => {
  const sends = Array.from({ length: limits.recentMessagesMax }, (_, index) => send("alice", `n${index}`));
  const sent = sends.map((command, index): ConversationEvent => {
    const { messageId, clientMessageId, contentType, content, context } = command as typeof command & {
      type: "SendMessage";
    };
    const event = { messageId, clientMessageId, contentType, content, sequence: index + 2 };
    return { type: "MessageSent", id: messageId as string, at: 1_000, by: context.by, ...event };
  });
  const long = [...group, ...sent];
  const old = (changes: Partial<OldMessage> = {}): Pick<ConversationCommand, "found"> => ({
    found: new Map([
      [
        m1,
        {
          messageId: m1,
          sequence: 1,
          pos: asRevision(2),
          at: 1_000,
          senderId: "bob",
          contentType: "text",
          deleted: false,
          reactions: [],
          ...changes,
        },
      ],
    ]),
  });

  it("are looked up, others not", () => {
    expect(lookUpsFor(fold(group).index, react("carol", m1))).toEqual([]);
    expect(lookUpsFor(fold(long).index, react("carol", m1))).toEqual([m1]);
    expect(lookUpsFor(fold(long).index, send("carol", "r", m1))).toEqual([m1]);
    expect(lookUpsFor(fold(long).index, send("bob", "m1"))).toEqual([m1]);
    expect(lookUpsFor(fold(long).index, { ...react("carol", m1), ...old() })).toEqual([]);
    expect(lookUpsFor(fold(long).index, react("carol", messageOf("alice", "n0")))).toEqual([]);
    expect(lookUpsFor(fold(long).index, react("carol", unknown))).toEqual([]);
  });

  it("are decided on as they were found, with what the window has seen since", () => {
    const reacted = old({ reactions: [reactionKey(emojiOf("👍").digest, "carol")] });
    given(conversation, long)
      .when({ ...react("carol", m1), ...old() })
      .then({ type: "ReactionAdded", sequence: 1 });
    given(conversation, long)
      .when({ ...react("carol", m1), ...reacted })
      .then();
    // A removal is not remembered: what is looked up after it has to know it.
    const removed = after(long, { ...react("carol", m1, "👍", false), ...reacted });
    const { index } = fold(removed);
    expect([m1, unknown].map((id) => amendmentsKnownFrom(index, id))).toEqual([removed.length, 3]);
    given(conversation, removed)
      .when({ ...react("carol", m1, "👍", false), ...old() })
      .then();
    const again = after(removed, { ...react("carol", m1), ...old() });
    given(conversation, again)
      .when({ ...react("carol", m1), ...old() })
      .then();
    given(conversation, long)
      .when({ ...edit("bob", m1, "b"), ...old({ deleted: true }) })
      .thenRejected("MESSAGE_NOT_FOUND");
    const deleted = after(long, { ...remove("bob", m1), ...old() });
    given(conversation, deleted)
      .when({ ...edit("bob", m1, "b"), ...old() })
      .thenRejected("MESSAGE_NOT_FOUND");
  });

  it("are not sent again, whoever asks and whatever they may do today", () => {
    given(conversation, after(long, leave("bob")))
      .when({ ...send("bob", "m1"), ...old() })
      .then();
    given(conversation, long)
      .when({ ...send("bob", "m1"), found: new Map([[m1, null]]) })
      .then({ type: "MessageSent" });
  });
});
