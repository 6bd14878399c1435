import { afterEach, describe, expect, it } from "vitest";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createGatewayKit, createApp } from "../session/dispatch-kit.js";
import { startTestGateway, type Client, type TestGateway } from "../gateway-kit.js";

/**
 * A real gateway whose log answers for its head when the test says so: until then the connection is registered and not
 * greeted, and what the bus brings finds it.
 */
let server: TestGateway;
afterEach(() => server.stop());

const start = async (config: { readonly outboxBytesMax?: number } = {}) => {
  const memory = createApp();
  let registered = (): void => undefined;
  let answerHead = (): void => undefined;
  const isRegistered = new Promise<void>((resolve) => (registered = resolve));
  const headAnswers = new Promise<void>((resolve) => (answerHead = resolve));
  const head = async () => {
    registered();
    await headAnswers;
    return memory.position();
  };
  const { dispatcher } = createGatewayKit({ ...memory, app: { ...memory.app, head } });
  server = await startTestGateway({ config, dispatcher });
  return { isRegistered, answerHead };
};

const frame = (number: number, chars = 0) =>
  JSON.stringify({ type: "message.new", payload: { number, text: "x".repeat(chars) } });
const deliver = (...frames: string[]) => {
  server.hub.deliver(frames.map((each) => ({ recipients: ["alice"], frame: each })));
};
const typeOf = (text: string | undefined) => (JSON.parse(text ?? "{}") as { type?: string }).type;

/** What the client has sent before was read by the server, which answers a ping by itself. */
const roundTrip = (client: Client) =>
  new Promise<void>((resolve) => {
    client.socket.once("pong", () => {
      resolve();
    });
    client.socket.ping();
  });

describe("before `connected`", () => {
  it("what the bus brings after the registration waits, and comes behind it in order, before what comes after it", async () => {
    const { isRegistered, answerHead } = await start();
    const client = await server.client("alice");
    await isRegistered;
    // A round trip after each: what is not held has gone out.
    for (let number = 0; number < 20; number++) {
      deliver(frame(number));
      await roundTrip(client);
    }
    answerHead();
    await client.next(20);
    deliver(frame(20));
    await client.next(21);
    expect(typeOf(client.received[0])).toBe("connected");
    expect(client.received.slice(1)).toEqual(Array.from({ length: 21 }, (_, number) => frame(number)));
  });

  it("a refusal of what does not find room to wait comes behind it", async () => {
    const { isRegistered, answerHead } = await start();
    const client = await server.client("alice");
    await isRegistered;
    for (let number = 0; number <= bounds.framesBeforeConnectedMax; number++)
      client.socket.send(JSON.stringify({ type: "heartbeat", id: `h${number}` }));
    await roundTrip(client);
    answerHead();
    await client.next(bounds.framesBeforeConnectedMax + 1);
    const types = client.received.map(typeOf);
    expect(types.slice(0, 3)).toEqual(["connected", "error", "heartbeat.ack"]);
    expect(types).toHaveLength(bounds.framesBeforeConnectedMax + 2);
  });

  it("more than an outbox holds closes with 4508, and nothing of it has gone out", async () => {
    const { isRegistered, answerHead } = await start({ outboxBytesMax: 64 * 1024 });
    const client = await server.client("alice");
    await isRegistered;
    for (let number = 0; number < 20; number++) deliver(frame(number, 4096));
    expect((await client.closed).code).toBe(4508);
    answerHead();
    expect(client.received).toEqual([]);
  });

  it("the server's end is told without what waits", async () => {
    const { isRegistered, answerHead } = await start();
    const client = await server.client("alice");
    await isRegistered;
    deliver(frame(1));
    const drained = server.gateway.drain();
    expect((await client.closed).code).toBe(1012);
    expect(client.received.map(typeOf)).toEqual(["server.draining"]);
    answerHead();
    await drained;
  });
});
