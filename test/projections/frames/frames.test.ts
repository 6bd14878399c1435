import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serverFrames } from "../../../client/contract/frames.js";
import type { MessageSent } from "../../../src/domain/conversation/conversation.events.js";
import type { ReceiptsEvent } from "../../../src/domain/receipts/receipts.events.js";
import { notBuilt } from "../../../src/gateway/protocol/not-built.js";
import {
  encodeMessage,
  frameOf,
  hidden,
  receiptFrames,
  visible,
  withEmoji,
  type Frame,
  type FrameType,
  type Shown,
} from "../../../src/projections/frames/frames.js";
import { emojiOf } from "../../kit/reactions.js";
import { seed, withSeed } from "../../kit/seed.js";
import { byUser, userIdOf, type By } from "../../../src/domain/kernel/by.js";
import { asRevision } from "../../../src/domain/kernel/stream.js";

const idChars = Array.from("ABCXYZabcxyz019_.:@-");
const id = fc.string({ unit: fc.constantFrom(...idChars), minLength: 1, maxLength: 128 });
const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 64,
});
const message: fc.Arbitrary<MessageSent> = fc.record(
  {
    type: fc.constant("MessageSent" as const),
    id: fc.uuid(),
    at: fc.nat(),
    by: fc.record({ kind: fc.constant("user" as const), userId: id, deviceId: id }),
    messageId: fc.uuid(),
    sequence: fc.integer({ min: 1 }),
    clientMessageId: printable,
    contentType: fc.constant("text" as const),
    content: fc.constant({ alg: "none" as const, keyId: "", data: "" }),
    replyTo: fc.uuid(),
    expiresAt: fc.nat(),
    mentions: fc.array(id, { minLength: 1, maxLength: 3 }),
    forwarded: fc.constant(true as const),
  },
  {
    requiredKeys: ["type", "id", "at", "by", "messageId", "sequence", "clientMessageId", "contentType", "content"],
  },
);

describe(`frames (seed ${seed})`, () => {
  it("the text made without parsing says what the frame of the event says, to the sender and to others", () => {
    fc.assert(
      fc.property(message, fc.json(), fc.nat(), (event, json, pos) => {
        const content = JSON.stringify({ type: "text", text: json });
        const { own, others } = encodeMessage("g_one", event, asRevision(pos), content);
        const shown: Shown = { kind: "content", text: content };
        const frame = (viewer: string) =>
          JSON.parse(JSON.stringify(frameOf("g_one", event, asRevision(pos), viewer, shown))) as unknown;
        expect(JSON.parse(own)).toEqual(frame(userIdOf(event.by)));
        expect(JSON.parse(others)).toEqual(frame(""));
        expect(own).toContain(content);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  const namesIn = (frames: readonly (Frame | undefined)[]): readonly string[] =>
    [...new Set(frames.flatMap((frame) => Object.keys(frame?.payload ?? {})))].toSorted();
  /** Of the contract's table, less what is not built. */
  const tableOf = (type: FrameType): readonly string[] =>
    Object.keys(serverFrames[type].payload)
      .filter((field) => !notBuilt.some((name) => name === `${type} ${field}`))
      .toSorted();

  const context = { id: "e", at: 7, by: byUser({ userId: "alice", deviceId: "phone" }) };
  const about = { ...context, messageId: "m", sequence: 3 };
  const frame = (event: Parameters<typeof frameOf>[1], shown: Shown) =>
    frameOf("g", event, asRevision(5), "bob", shown);
  const common = { conversationId: "g", messageId: "m", sequence: 3, pos: 5, timestamp: 7, by: "alice" };
  const edited = {
    type: "MessageEdited" as const,
    ...about,
    contentType: "text" as const,
    content: { alg: "none" as const, keyId: "", data: "" },
    digest: "",
  };
  const gone: Shown = { kind: "deleted", deletedAt: 99 };

  it("have all types and fields that the protocol has and the server makes, and no other", () => {
    const whole: Required<MessageSent> = {
      ...{ type: "MessageSent", ...about, clientMessageId: "c", contentType: "text", content: edited.content },
      ...{ replyTo: "m", expiresAt: 8, mentions: ["bob"], forwarded: true },
      origin: { source: "s", id: "o", at: 1 },
    };
    const sent = [{ kind: "content", text: "{}" } as const, { ...gone, erased: true } as const].map((shown) =>
      frameOf("g", whole, asRevision(5), "alice", shown),
    );
    expect(namesIn(sent)).toEqual(tableOf("message.new"));
    const reacted = { type: "ReactionAdded", ...about, ...emojiOf("x") } as const;
    const changed = [
      frame(edited, { kind: "content", text: "{}" }),
      frame(edited, { ...gone, erased: true }),
      frame({ type: "MessageDeleted", ...about }, gone),
      frame(reacted, withEmoji(visible, "x")),
    ];
    expect(namesIn(changed)).toEqual(tableOf("message.updated"));
    const made: Readonly<Record<FrameType, true>> = {
      ...{ "message.new": true, "message.updated": true },
      ...{ "conversation.created": true, "conversation.updated": true },
      ...{ "member.joined": true, "member.left": true, "member.role": true },
      ...{ "receipt.update": true, "receipt.rollup": true, "inbox.update": true },
      ...{ "device.updated": true, "user.erased": true },
    };
    expect(Object.keys(serverFrames)).toEqual(expect.arrayContaining(Object.keys(made)));
    expect(Object.keys(made)).toEqual(expect.not.arrayContaining([...notBuilt]));
  });

  it("of a message that is gone never have content and say since when", () => {
    expect(frame(edited, gone)?.payload).toEqual({ ...common, editedAt: 7, deletedAt: 99 });
    expect(frame({ type: "ReactionAdded", ...about, ...emojiOf("x") }, { ...gone, emoji: "x" })?.payload).toEqual({
      ...common,
      reaction: { emoji: "x", userId: "alice" },
      deletedAt: 99,
    });
    expect(frame({ type: "MessageDeleted", ...about }, gone)?.payload).toEqual({ ...common, deletedAt: 7 });
  });

  it("of a message that is gone, or that the viewer may not see, have neither mentions nor forwarded", () => {
    const sent: MessageSent = {
      ...{ type: "MessageSent", ...about, clientMessageId: "c", contentType: "text", content: edited.content },
      ...{ mentions: ["bob"], forwarded: true },
    };
    const { by: senderId, ...others } = common;
    const bare = { ...others, senderId, senderDeviceId: "phone" };
    expect(frame(sent, hidden)?.payload).toEqual(bare);
    expect(frame(sent, gone)?.payload).toEqual({ ...bare, deletedAt: 99 });
    expect(frame(sent, { kind: "content", text: "{}" })?.payload).toMatchObject({ mentions: ["bob"], forwarded: true });
  });

  it("of a reaction whose key is gone are the change without reaction", () => {
    for (const type of ["ReactionAdded", "ReactionRemoved"] as const) {
      expect(frame({ type, ...about, ...emojiOf("x") }, withEmoji(visible, null))?.payload).toEqual(common);
      const nothingLeft = frame({ type, ...about, ...emojiOf("x") }, withEmoji(gone, null));
      expect(nothingLeft?.payload).toEqual({ ...common, deletedAt: 99 });
    }
  });

  it("of what the viewer may not see are the change without content and reaction", () => {
    expect(frame(edited, hidden)?.payload).toEqual({ ...common, editedAt: 7 });
    for (const type of ["ReactionAdded", "ReactionRemoved"] as const)
      expect(frame({ type, ...about, ...emojiOf("x") }, withEmoji(hidden, "x"))?.payload).toEqual(common);
  });

  it("name the user who acted, where there is one", () => {
    const left = { type: "MemberLeft" as const, ...about, userId: "bob", leftAt: 1, memberCount: 1 };
    const by = (who: By) => {
      const { payload = {} } = frame({ ...left, by: who }, hidden) ?? {};
      return Object.hasOwn(payload, "by") ? payload.by : "nobody";
    };
    expect(by({ kind: "bot", userId: "weather" })).toBe("weather");
    expect(by({ kind: "app", keyId: "k", onBehalfOf: "alice" })).toBe("alice");
    expect(by({ kind: "app", keyId: "k" })).toBe("nobody");
    expect(by({ kind: "system" })).toBe("nobody");
    expect(by({ kind: "operator", userId: "alice" })).toBe("nobody");
  });

  it("of a bot's message name no device", () => {
    const fields = { messageId: "m", sequence: 3, clientMessageId: "c", contentType: "text" as const };
    const by = { kind: "bot" as const, userId: "weather" };
    const event: MessageSent = { type: "MessageSent", ...context, by, ...fields, content: edited.content };
    const { own, others } = encodeMessage("g", event, asRevision(5), '{"type":"text","text":"rain"}');
    const shown: Shown = { kind: "content", text: '{"type":"text","text":"rain"}' };
    expect(JSON.parse(others)).toEqual(frame(event, shown));
    expect(JSON.parse(own)).toEqual({
      ...frame(event, shown),
      payload: { ...frame(event, shown)?.payload, clientMessageId: "c" },
    });
    expect(frame(event, shown)?.payload).toMatchObject({ senderId: "weather" });
    expect(frame(event, shown)?.payload).not.toHaveProperty("senderDeviceId");
  });

  it("receipts: private reads, and reads for a viewer who shows none, are deliveries or nothing", () => {
    const receipts = (fields: object, seesReads: boolean) => {
      const cursor = { userId: "bob", deviceId: "phone", at: 1, ...fields };
      const event: ReceiptsEvent = { type: "ReceiptsAdvanced", ...context, conversationId: "d", cursors: [cursor] };
      return receiptFrames(event, seesReads).map(({ frame: { payload } }) => [payload.deliveredUpTo, payload.readUpTo]);
    };
    expect(receipts({ deliveredUpTo: 4, readUpTo: 4 }, true)).toEqual([[4, 4]]);
    expect(receipts({ readUpTo: 4 }, true)).toEqual([[undefined, 4]]);
    expect(receipts({ deliveredUpTo: 4, readUpTo: 4, private: true }, true)).toEqual([[4, undefined]]);
    expect(receipts({ readUpTo: 4, private: true }, true)).toEqual([]);
    expect(receipts({ deliveredUpTo: 4, readUpTo: 4 }, false)).toEqual([[4, undefined]]);
    expect(receipts({ readUpTo: 4 }, false)).toEqual([]);
  });
});
