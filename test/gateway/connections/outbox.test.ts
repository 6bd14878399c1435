import { afterEach, expect, it } from "vitest";
import { rawWebSocket, startTestGateway, type Client, type TestGateway } from "../gateway-kit.js";
import type { HubConnection } from "../../../src/gateway/connections/hub.js";
import { settled } from "../../kit/turns.js";

let server: TestGateway;
afterEach(() => server.stop());

const bytesMax = 256 * 1024;
const start = async () => {
  server = await startTestGateway({ config: { outboxBytesMax: bytesMax, closeGraceMs: 300 } });
};
const connectionOf = (userId: string): HubConnection => {
  for (const connection of server.hub.connections()) if (connection.actor.userId === userId) return connection;
  throw new Error(`${userId} is not connected`);
};
/** Stops taking bytes from the kernel. */
const pause = (client: Client) => {
  client.socket.pause();
};
const metric = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await server.telemetry.metricsText())?.[1]);

it("keeps the order of everything, across ticks and forms, and sends it before a close", async () => {
  await start();
  const client = await server.client("alice");
  const connection = connectionOf("alice");
  const expected: string[] = [];
  for (let index = 0; index < 2000; index++) {
    const text = `${index} ${"ü🙂x".repeat(index % 50)}`;
    expected.push(text);
    connection.send(index % 3 === 0 ? Buffer.from(text) : text);
    if (index % 97 === 0) await settled();
  }
  connection.close(4401, "bye");
  connection.send("after the close");
  connection.close(4400, "again");
  expect(await client.closed).toEqual({ code: 4401, reason: "bye" });
  expect(client.received.slice(1)).toEqual(expected);
  connection.send("after everything");
});

it("takes a burst far beyond its bound from one tick, when the peer is quick enough", async () => {
  await start();
  const client = await server.client("alice");
  const connection = connectionOf("alice");
  for (let index = 0; index < 300; index++) connection.send(`${index}`.padEnd(4096, "x"));
  expect(await client.next(300)).toMatch(/^299x/);
  expect(await metric("parley_outbox_dropped_frames_total")).toBe(0);
});

it("waits for a peer that pauses, then goes on where it was", async () => {
  await start();
  const client = await server.client("alice");
  const connection = connectionOf("alice");
  pause(client);
  let sent = 0;
  // Until the kernel takes no more: what waits now is the outbox's, well below its bound.
  while ((await waiting()) < bytesMax / 2) {
    for (let each = 0; each < 8; each++) connection.send(`${sent++}`.padEnd(4096, "x"));
    await settled();
  }
  client.socket.resume();
  await client.next(sent);
  expect(client.received.slice(1).map((text) => Number.parseInt(text, 10))).toEqual(
    Array.from({ length: sent }, (_, i) => i),
  );
  expect(await waiting()).toBe(0);
});

it("closes a slow peer with 4508: every frame has arrived or is counted as dropped", async () => {
  await start();
  const [client, other] = await Promise.all([server.client("alice"), server.client("bob")]);
  pause(client);
  const sent = await fill(connectionOf("alice"), `ü`.repeat(2048));
  client.socket.resume();
  expect((await client.closed).code).toBe(4508);
  const received = client.received.length - 1;
  const dropped = await metric("parley_outbox_dropped_frames_total");
  expect(dropped).toBeGreaterThan(0);
  expect(received + dropped).toBe(sent);
  // 4,096 bytes a frame: the bound counts bytes, not characters.
  expect(dropped).toBeLessThanOrEqual(bytesMax / 4096 + 1);
  connectionOf("bob").send("unharmed");
  expect(await other.next(1)).toBe("unharmed");
});

it("cuts a peer that never reads", async () => {
  await start();
  const socket = await rawWebSocket(server.gateway.port, server.token("alice"));
  socket.pause();
  await fill(connectionOf("alice"), "x".repeat(4096));
  await expect.poll(() => server.hub.size()).toBe(0);
  expect(await server.telemetry.metricsText()).toContain('parley_connections_closed_total{code="1006"} 1');
  expect(server.told.at(-1)).toBe("closed alice/phone");
  socket.destroy();
});

const waiting = () =>
  fetch(`${server.gateway.url}/metrics`).then(async (response) =>
    Number(/^parley_outbox_bytes (\d+)$/m.exec(await response.text())?.[1]),
  );

/** Sends until frames have been dropped; answers how many the outbox has taken. */
const fill = async (connection: HubConnection, frame: string): Promise<number> => {
  await settled();
  const before = await metric("parley_outbox_frames_total");
  for (let sent = 0; sent < 100_000; sent += 32) {
    for (let each = 0; each < 32; each++) connection.send(frame);
    await settled();
    if ((await metric("parley_outbox_dropped_frames_total")) > 0) {
      // Frames are counted when their tick is flushed.
      await settled();
      return (await metric("parley_outbox_frames_total")) - before;
    }
  }
  throw new Error("The outbox has no bound.");
};

it("sheds what is only true for a moment from half of its bound on, counted; all else still arrives", async () => {
  await start();
  const client = await server.client("alice");
  const connection = connectionOf("alice");
  connection.send("typing while there is room", true);
  expect(await client.next(1)).toBe("typing while there is room");
  pause(client);
  let sent = 0;
  // What leaves into the kernel's buffers does not count: until what waits here is beyond half, and stays there.
  while ((await waiting()) <= bytesMax / 2 + 8 * 4096) {
    for (let each = 0; each < 8; each++) connection.send(`${sent++}`.padEnd(4096, "x"));
    await settled();
  }
  for (let each = 0; each < 10; each++) connection.send("typing nobody needs now", true);
  connection.send("the last one");
  // No operator has to mend anything: what is lost is counted elsewhere.
  expect(await metric("parley_outbox_shed_frames_total")).toBe(10);
  expect(await metric("parley_outbox_dropped_frames_total")).toBe(0);
  client.socket.resume();
  await client.next(sent + 2);
  expect(client.received.at(-1)).toBe("the last one");
  expect(client.received).not.toContain("typing nobody needs now");
  connection.send("typing again", true);
  expect(await client.next(sent + 3)).toBe("typing again");
});
