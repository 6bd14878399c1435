import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ParleyError } from "../../client/index.js";
import { connectDevice, text } from "../kit/device.js";
import { isNowhere, openPlace, type Place } from "../kit/place.js";
import { wireDevice } from "../kit/wire.js";

describe.skipIf(isNowhere)("a limit of messages a minute", () => {
  let server: Place;
  beforeAll(async () => {
    server = await openPlace(["--messages-per-minute", "60"]);
  });
  afterAll(() => server.dispose());

  it("is told, lets a burst in, refuses what is beyond it with a time to come back, and keeps the order", async () => {
    const alice = await wireDevice(server, "alice");
    const { payload } = await alice.frame("connected");
    expect(payload.limits).toMatchObject({ messagesPerMinute: 60 });
    const started = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
    const conversationId = started.body.conversationId;
    const sends = Array.from({ length: 60 }, (_, i) =>
      alice.ask("message.send", { conversationId, clientMessageId: `m-${i}`, content: text(`${i}`) }),
    );
    const answers = await Promise.all(sends);
    const burst = answers.slice(0, 10);
    expect(burst.map((answer) => answer.payload.sequence)).toEqual(burst.map((_, i) => i + 1));
    const refused = answers.filter(({ type }) => type === "error");
    expect(refused.length).toBeGreaterThan(10);
    for (const { payload: error } of refused) {
      expect(error).toMatchObject({ code: "RATE_LIMITED", limit: "messagesPerMinute", conversationId });
      expect(error.retryAfter).toBeGreaterThanOrEqual(1);
    }
    // Another user has a limit of their own.
    const bob = await wireDevice(server, "bob");
    const sent = await bob.ask("message.send", { conversationId, clientMessageId: "b", content: text("b") });
    expect(sent.type).toBe("message.ack");
    await Promise.all([alice.close(), bob.close()]);
  });

  it("counts edits and reactions, and closes who goes on sending, with a time to come back that a client heeds", async () => {
    const carol = await wireDevice(server, "carol");
    const { body } = await carol.rest("POST /conversations", { type: "direct", participantIds: ["dave"] });
    const conversationId = body.conversationId;
    const sent = await carol.ask("message.send", { conversationId, clientMessageId: "m", content: text("m") });
    const named = { conversationId, messageId: sent.payload.messageId };
    const react = (i: number) => carol.ask(i % 2 === 0 ? "reaction.add" : "reaction.remove", { ...named, emoji: "👍" });
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => react(i)));
    expect(answers.slice(0, 9).map(({ type }) => type)).toEqual(Array<string>(9).fill("ack"));
    expect(answers.at(-1)?.payload).toMatchObject({ code: "RATE_LIMITED", limit: "messagesPerMinute" });

    const closes: number[] = [];
    void carol.closed.then(({ code }) => closes.push(code));
    while (closes.length === 0) await Promise.allSettled(Array.from({ length: 1_500 }, (_, i) => react(i)));
    expect(closes).toEqual([4429]);
    const last = carol.frames.filter(({ type }) => type === "error").at(-1);
    expect(last?.payload).toMatchObject({ code: "RATE_LIMITED" });
    expect(last?.payload.retryAfter).toBeGreaterThanOrEqual(1);
    const pages = server.gateways.map(async ({ url }) => (await fetch(`${url()}/metrics`)).text());
    expect((await Promise.all(pages)).join()).toContain('parley_connections_closed_total{code="4429"} 1');

    const dave = await connectDevice(server, "dave", "phone");
    const waits: { readonly delayMs: number; readonly cause: ParleyError }[] = [];
    dave.on("connection", (state) => {
      if (state.kind === "waiting") waits.push(state);
    });
    while (waits.length === 0)
      await Promise.allSettled(
        Array.from({ length: 1_500 }, () => dave.react(String(conversationId), String(named.messageId), "🎉")),
      );
    expect(waits[0]?.cause.code).toBe("RATE_LIMITED");
    expect(waits[0]?.delayMs).toBeGreaterThanOrEqual(1_000);
    dave.close();
  });

  it("only slows the client library down: everything is accepted, once", async () => {
    const faster = await openPlace(["--messages-per-minute", "600"]);
    try {
      const alice = await connectDevice(faster, "alice", "phone");
      const { conversationId } = await alice.createDirect("bob");
      const texts = Array.from({ length: 120 }, (_, i) => `message ${i}`);
      const acks = await Promise.all(texts.map((each) => alice.send(conversationId, text(each)).accepted));
      const sequences = acks.map(({ sequence }) => sequence).sort((one, other) => one - other);
      expect(sequences).toEqual(texts.map((_, i) => i + 1));
      alice.close();
    } finally {
      await faster.dispose();
    }
  });
});

describe.skipIf(isNowhere)("a limit of changes a minute", () => {
  it("refuses what is beyond it with a time to come back, by REST alone", async () => {
    const server = await openPlace(["--changes-per-minute", "60"]);
    try {
      const alice = await wireDevice(server, "alice");
      const peers = Array.from({ length: 30 }, (_, i) => `peer${i}`);
      const answers = await Promise.all(
        peers.map((peer) => alice.rest("POST /conversations", { type: "direct", participantIds: [peer] })),
      );
      const refused = answers.filter(({ status }) => status === 429);
      expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(10);
      expect(refused.length).toBeGreaterThan(0);
      for (const { body } of refused) expect(body).toMatchObject({ error: "RATE_LIMITED", limit: "changesPerMinute" });
      const [made] = answers.filter(({ status }) => status === 201);
      const conversationId = made?.body.conversationId;
      const sends = Array.from({ length: 60 }, (_, i) =>
        alice.ask("message.send", { conversationId, clientMessageId: `m-${i}`, content: text(`${i}`) }),
      );
      expect((await Promise.all(sends)).map(({ type }) => type)).toEqual(sends.map(() => "message.ack"));
      expect((await alice.rest("GET /me")).status).toBe(200);
      await alice.close();
    } finally {
      await server.dispose();
    }
  });
});
