import { randomUUID } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { createCommands } from "../../../src/commands/execute.js";
import { lookUpIn } from "../../../src/commands/look-up.js";
import { sealingWith } from "../../../src/commands/sealing/sealing.js";
import { createCatchUp } from "../../../src/gateway/access/catch-up.js";
import { createDeviceAccess } from "../../../src/gateway/access/device-access.js";
import { createDeviceUses } from "../../../src/gateway/access/device-uses.js";
import { createHub } from "../../../src/gateway/connections/hub.js";
import { createOutboxes, type Pipe } from "../../../src/gateway/connections/outbox.js";
import { SocketConnection } from "../../../src/gateway/connections/socket-connection.js";
import { createTyping } from "../../../src/gateway/ephemeral/typing.js";
import type { Application } from "../../../src/gateway/ports.js";
import { createDispatcher } from "../../../src/gateway/session/dispatch.js";
import { createLogger, createTelemetry } from "../../../src/infra/telemetry.js";
import { messageIndex } from "../../../src/infra/view-store/message-index.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import { memoryHeld } from "../../kit/heap.js";
import { openStoresHere } from "../../kit/stores-here.js";
import { textCipher } from "../../kit/text-cipher.js";

const warming = 200;
const connections = 1_000;
/**
 * Some 2,600 were measured with Node 20, with what the log of this thread takes; some 7,000 when each connection had
 * closures, maps and shapes of its own. What comes back of the outbox's is seen, a field more is not: another V8 may lay
 * out objects otherwise, and a bound that is met by luck says nothing.
 */
const bytesMax = 4_000;

const heapUsed = async (): Promise<number> => (await memoryHeld()).heapUsed;

/** Takes everything at once, as the socket of a client that reads does. */
const pipe = (): Pipe => ({ send, cork, getBufferedAmount, end: nothing, close: nothing });
const send = (): number => 1;
const cork = (work: () => void): void => {
  work();
};
const getBufferedAmount = (): number => 0;
const nothing = (): void => undefined;

/** All that the embedded profile has between its sockets and its log. */
const openGateway = () => {
  const stores = openStoresHere("epoch-1");
  onTestFinished(stores.close);
  const { log, views } = stores;
  const obtain = () => Promise.reject(new Error("nothing is sealed here"));
  const sealing = sealingWith(
    { cached: () => undefined, obtain, find: () => Promise.resolve(undefined) },
    undefined,
    textCipher,
  );
  const lookUp = lookUpIn(messageIndex(views.store.reads), log);
  const ids = { uuid: randomUUID };
  const hub = createHub();
  const uses = createDeviceUses(100_000);
  const app: Application = {
    commands: createCommands({ log, sealing, lookUp, home: "main", ids, membersMax: 1_000 }),
    queries: createQueries({ source: log, views, open: sealing.open, epoch: "epoch-1", clock: Date.now }),
    typing: createTyping({ bus: { ...hub, deliver: () => undefined } }),
    open: sealing.open,
    lastUses: uses.of,
    used: (device) => {
      uses.used(device, Date.now());
    },
    epoch: "epoch-1",
    head: () => log.head(),
    readiness: () => Promise.resolve({ ready: true, problems: {} }),
  };
  const { metrics } = createTelemetry("1.2.3-test");
  const catchUp = createCatchUp(app);
  const dispatcher = createDispatcher({
    ...{ app, catchUp, deviceAccess: createDeviceAccess(app, catchUp.wrote), metrics, ids },
    authenticate: () => Promise.reject(new Error("no token is shown again here")),
    logger: createLogger("silent", { write: nothing }),
    clock: Date.now,
    monotonic: () => performance.now(),
    config: { heartbeatIntervalMs: 30_000, limits: { maxMessageBytes: 1_000, maxFrameBytes: 10_000 } },
  });
  const outboxes = createOutboxes({ bytesMax: 1024 * 1024, closeGraceMs: 5_000, metrics, onError: nothing });
  const open = async (userId: string): Promise<SocketConnection> => {
    const claims = { userId, deviceId: "phone", expiresAt: Date.now() + 86_400_000, issuedAt: Date.now() };
    const connection = new SocketConnection(claims, "web", outboxes.open(pipe()));
    await dispatcher.opened(connection, claims, { enter: () => void hub.register(connection) });
    dispatcher.text(connection, '{"type":"heartbeat"}');
    dispatcher.text(connection, '{"type":"sync","id":"s","payload":{}}');
    return connection;
  };
  return { open, idle: dispatcher.drain };
};

it("an idle connection that has synced holds 4,000 bytes of the heap at most, with all that is remembered of its device", async () => {
  const { open, idle } = openGateway();
  const held: SocketConnection[] = [];
  const openMore = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) held.push(await open(`user-${held.length}`));
    await idle();
  };
  await openMore(warming);
  const grown: number[] = [];
  // What else grows, grows once: of three the smallest is the connections'.
  for (let batch = 0; batch < 3; batch += 1) {
    const before = await heapUsed();
    await openMore(connections);
    grown.push(((await heapUsed()) - before) / connections);
  }
  expect(held.every(({ outbox }) => outbox.isOpen() && outbox.bytes() === 0)).toBe(true);
  expect(Math.min(...grown)).toBeLessThan(bytesMax);
});
