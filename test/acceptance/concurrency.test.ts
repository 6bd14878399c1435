import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../kit/device.js";
import { isNowhere, openPlace, type Place } from "../kit/place.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

const count = 20;
const messagesEach = 50;
const range = (from: number, length: number) => Array.from({ length }, (_, index) => from + index);

describe.skipIf(isNowhere)("many at once", () => {
  let server: Place;
  beforeAll(async () => {
    server = await openPlace();
  });
  afterAll(() => server.dispose());

  it("20 concurrent first messages between the same two strangers: one conversation, 20 messages in it", async () => {
    const devices = await Promise.all(
      range(0, count).map((index) => wireDevice(server, index % 2 === 0 ? "romeo" : "juliet", `d${index}`)),
    );
    const firsts = await Promise.all(
      devices.map(async (device) => {
        const peer = device.userId === "romeo" ? "juliet" : "romeo";
        const { status, body } = await device.rest("POST /conversations", { type: "direct", participantIds: [peer] });
        const conversationId = body.conversationId as string;
        const content = text(`hello from ${device.deviceId}`);
        const ack = await device.ask("message.send", { conversationId, clientMessageId: "first", content });
        return { status, conversationId, ack };
      }),
    );
    expect(new Set(firsts.map(({ conversationId }) => conversationId)).size).toBe(1);
    expect(firsts.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(firsts.filter(({ status }) => status === 200)).toHaveLength(count - 1);
    const sequences = firsts.map(({ ack }) => ack.payload.sequence as number).toSorted((a, b) => a - b);
    expect(sequences).toEqual(range(1, count));
    for (const device of devices.slice(0, 2))
      expect((await device.rest("GET /conversations")).body.conversations).toHaveLength(1);
    await Promise.all(devices.map((device) => device.close()));
  });

  it("20 devices × 50 messages into one group: nobody sees a gap, another order or a CONFLICT", async () => {
    const users = range(0, count).map((index) => `u${index}`);
    const devices = await Promise.all(users.map((user) => wireDevice(server, user)));
    const [first] = devices as [WireDevice];
    const { body } = await first.rest("POST /groups", { name: "Hot", participantIds: users.slice(1) });
    const conversationId = body.conversationId as string;
    const posAtStart = body.pos as number;
    await Promise.all(devices.map((device) => device.frame("conversation.created", { conversationId })));

    const acks = await Promise.all(
      devices.flatMap((device) =>
        range(0, messagesEach).map((index) =>
          device.ask("message.send", {
            conversationId,
            clientMessageId: `m${index}`,
            content: text(`${device.userId} says ${index}`),
          }),
        ),
      ),
    );
    const total = count * messagesEach;
    expect(new Set(acks.map(({ type }) => type))).toEqual(new Set(["message.ack"]));
    const byNumber = (name: string) => acks.map(({ payload }) => payload[name] as number).toSorted((a, b) => a - b);
    expect(byNumber("sequence")).toEqual(range(1, total));
    expect(byNumber("pos")).toEqual(range(posAtStart + 1, total));

    const messagesOf = (device: WireDevice) =>
      device.changes(conversationId).filter(({ type }) => type === "message.new");
    await eventually(
      () => devices.every((device) => messagesOf(device).length >= total),
      "all members have all messages",
    );
    const reference = messagesOf(first).map(({ payload }) => payload.messageId);
    for (const device of devices) {
      const received = messagesOf(device);
      expect(received.map(({ payload }) => payload.sequence)).toEqual(range(1, total));
      expect(received.map(({ payload }) => payload.pos)).toEqual(range(posAtStart + 1, total));
      expect(received.map(({ payload }) => payload.messageId)).toEqual(reference);
      expect(device.frames.filter(({ type }) => type === "error")).toEqual([]);
    }
    const times = messagesOf(first).map(({ payload }) => payload.timestamp as number);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    // Requests of one connection take effect in the order in which they were sent.
    for (const { userId } of devices) {
      const said = messagesOf(first).filter(({ payload }) => payload.senderId === userId);
      expect(said.map(({ payload }) => (payload.content as { text: string }).text)).toEqual(
        range(0, messagesEach).map((index) => `${userId} says ${index}`),
      );
    }
    // What history says is what was delivered; what was accepted elsewhere is in it after a sync.
    await first.rest("POST /sync", {});
    const history: unknown[] = [];
    for (let after = 0, more = true; more;) {
      const page = await first.rest(`GET /conversations/${conversationId}/messages?after=${after}&limit=200`);
      const messages = page.body.messages as { sequence: number; messageId: string }[];
      history.push(...messages.map(({ messageId }) => messageId));
      after = messages.at(-1)?.sequence ?? Infinity;
      more = page.body.hasMore === true;
    }
    expect(history).toEqual(reference);
    await Promise.all(devices.map((device) => device.close()));
  });

  it("the same key sent by 10 requests at once is one message", async () => {
    const device = await wireDevice(server, "solo");
    const { body } = await device.rest("POST /groups", { name: "Alone", participantIds: [] });
    const { conversationId } = body;
    const request = { conversationId, clientMessageId: "same", content: text("once") };
    const acks = await Promise.all(range(0, 10).map(() => device.ask("message.send", request)));
    expect(acks.map(({ payload }) => payload.duplicate).filter((duplicate) => duplicate === false)).toHaveLength(1);
    expect(new Set(acks.map(({ payload }) => `${String(payload.messageId)} ${String(payload.pos)}`)).size).toBe(1);
    await device.close();
  });

  it("everybody edits, reacts to and deletes the same messages at once: pos stays contiguous, all see the same", async () => {
    const users = range(0, 6).map((index) => `e${index}`);
    const devices = await Promise.all(users.map((user) => wireDevice(server, user)));
    const [owner] = devices as [WireDevice];
    const { body } = await owner.rest("POST /groups", { name: "Busy", participantIds: users.slice(1) });
    const { conversationId } = body;
    const sent = await Promise.all(
      devices.map((device) =>
        device.ask("message.send", { conversationId, clientMessageId: "a", content: text(device.userId) }),
      ),
    );
    const ids = sent.map(({ payload }) => payload.messageId);
    const answers = await Promise.all(
      devices.flatMap((device, index) => [
        ...ids.map((messageId) => device.ask("reaction.add", { conversationId, messageId, emoji: "👍" })),
        device.ask("message.edit", { conversationId, messageId: ids[index], content: text("edited") }),
        ...ids.map((messageId) => device.ask("reaction.remove", { conversationId, messageId, emoji: "👍" })),
        device.ask("message.delete", { conversationId, messageId: ids[index] }),
      ]),
    );
    const codes = new Set(answers.filter(({ type }) => type === "error").map(({ payload }) => payload.code));
    // A member's reaction may come after the deletion; a conflict never does.
    expect([...codes].filter((code) => code !== "MESSAGE_NOT_FOUND")).toEqual([]);
    const head = Math.max(...answers.map(({ payload }) => (payload.pos as number | undefined) ?? 0));
    const id = conversationId as string;
    await eventually(
      () => devices.every((device) => device.changes(id).at(-1)?.payload.pos === head),
      "all have the last change",
    );
    const seen = devices.map((device) =>
      device.changes(id).map(({ type, payload }) => ({ type, ...payload, clientMessageId: undefined })),
    );
    for (const each of seen) {
      expect(each.map((change) => (change as { pos?: number }).pos)).toEqual(range(1, head));
      // The first is each member's own `conversation.created`.
      expect(each.slice(1)).toEqual(seen[0]?.slice(1));
    }
    await Promise.all(devices.map((device) => device.close()));
  });
});
