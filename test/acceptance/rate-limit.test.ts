import { describe, expect, it } from "vitest";
import { connectDevice, text } from "../kit/device.js";
import { startServer } from "../kit/server.js";
import { wireDevice } from "../kit/wire.js";

describe("a limit of messages a minute", () => {
  it("is told, lets a burst in, refuses what is beyond it with a time to come back, and keeps the order", async () => {
    const server = await startServer(["--messages-per-minute", "60"]);
    try {
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
    } finally {
      await server.dispose();
    }
  });

  it("only slows the client library down: everything is accepted, once", async () => {
    const server = await startServer(["--messages-per-minute", "600"]);
    try {
      const alice = await connectDevice(server, "alice", "phone");
      const { conversationId } = await alice.createDirect("bob");
      const texts = Array.from({ length: 120 }, (_, i) => `message ${i}`);
      const acks = await Promise.all(texts.map((each) => alice.send(conversationId, text(each)).accepted));
      const sequences = acks.map(({ sequence }) => sequence).sort((one, other) => one - other);
      expect(sequences).toEqual(texts.map((_, i) => i + 1));
      alice.close();
    } finally {
      await server.dispose();
    }
  });
});
