import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Content, MessageAck } from "../../client/index.js";
import { connectDevice, text } from "../kit/device.js";
import { conversationsIn, messagesOf, readLog, type TrueConversation } from "../kit/history.js";
import { randomFrom } from "../kit/random.js";
import { seed } from "../kit/seed.js";
import { startServer, type TestServer } from "../kit/server.js";
import { inLog } from "./checks.js";
import { userIdOf } from "../../src/domain/kernel/by.js";

/** Below what the server takes from one connection, and far above what a conversation's window keeps. */
const sendsOfEach = 1_900;
const outstandingMin = 1_000;

describe(`kill -9 with more than ${outstandingMin} sends outstanding (seed ${seed})`, () => {
  it("makes one message of each, in the order of sending, when two devices send them all again", async () => {
    const random = randomFrom(seed);
    const server = await startServer();
    try {
      const { conversationId, close } = await pair(server);
      close();
      const acknowledged = new Map<string, MessageAck>();
      for (const [round, acksBefore] of [0, 1, 1 + random.int(800)].entries()) {
        const texts = ["alice", "bob"].map((userId) => ({ userId, keys: keysOf(userId, round) }));
        const before = await Promise.all(
          texts.map(async ({ userId, keys }) => ({ keys, socket: await openSocket(server, userId, conversationId) })),
        );
        const acks = await killAfter(server, before, acksBefore);
        expect(2 * sendsOfEach - acks.size).toBeGreaterThan(outstandingMin);
        await server.start();
        for (const { userId, keys } of texts) {
          const socket = await openSocket(server, userId, conversationId);
          const answers = await socket.sendAll(keys);
          expect(answers.size).toBe(keys.length);
          for (const [key, ack] of answers) {
            const first = acks.get(key);
            if (first !== undefined) expect(ack).toEqual({ ...first, duplicate: true });
            acknowledged.set(key, ack);
          }
          socket.close();
        }
      }
      expect(await server.terminate()).toBe(0);
      const conversation = inLog(conversationsIn(await readLog(server.dataDir)), conversationId);
      checkOnceEach(conversation, acknowledged);
    } finally {
      await server.dispose();
    }
  });

  it.each([
    { inFlightMax: 900, sends: 3_000, kind: "busy" },
    // More than the library's own bound of unanswered requests, long enough for each to run into it several times.
    { inFlightMax: 1_500, sends: 1_500, kind: "frozen" },
  ])(
    "makes one message of each when the library has $inFlightMax under way at a server that is $kind",
    async (given) => {
      const server = await startServer();
      try {
        const { inFlightMax, sends: count, kind } = given;
        const { conversationId, alice, close } = await pair(server, { inFlightMax });
        const keys = keysOf("alice", 0, count);
        const acknowledged = new Map<string, MessageAck>();
        if (kind === "frozen") server.process().kill("SIGSTOP");
        const sends = keys.map(async (key) => {
          const { accepted } = alice.send(conversationId, contentOf(key), { clientMessageId: key });
          acknowledged.set(key, await accepted);
        });
        const settled = Promise.allSettled(sends);
        await (kind === "frozen" ? sleep(2_000) : Promise.race(sends));
        await server.kill();
        expect(keys.length - acknowledged.size).toBeGreaterThan(outstandingMin);
        await server.start();
        expect((await settled).filter(({ status }) => status === "rejected")).toEqual([]);
        close();
        expect(await server.terminate()).toBe(0);
        checkOnceEach(inLog(conversationsIn(await readLog(server.dataDir)), conversationId), acknowledged);
      } finally {
        await server.dispose();
      }
    },
  );
});

const pair = async (server: TestServer, options = {}) => {
  const alice = await connectDevice(server, "alice", "phone", { acknowledgeDelivery: false, ...options });
  const { conversationId } = await alice.createDirect("bob");
  return { conversationId, alice, close: alice.close };
};

const keysOf = (userId: string, round: number, length = sendsOfEach): readonly string[] =>
  Array.from({ length }, (_, i) => `${userId}-${round}-${i}`);

const contentOf = (key: string): Content => text(`message ${key}`);

type RawSocket = Awaited<ReturnType<typeof openSocket>>;

/** Without the library, which bounds what is under way: every send at once. */
const openSocket = async (server: TestServer, userId: string, conversationId: string) => {
  const token = await server.token(userId, "phone");
  const socket = new WebSocket(`${server.url().replace(/^http/, "ws")}/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const acks = new Map<string, MessageAck>();
  const listeners = new Set<() => void>();
  const problems: unknown[] = [];
  const connected = new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { type: string; payload: MessageAck };
      if (frame.type === "connected") resolve();
      if (frame.type === "message.ack") acks.set(frame.payload.clientMessageId, frame.payload);
      if (frame.type === "error") problems.push(frame.payload);
      for (const listener of listeners) listener();
    });
  });
  await connected;
  const send = (keys: readonly string[]): void => {
    for (const clientMessageId of keys) {
      const payload = { conversationId, clientMessageId, content: contentOf(clientMessageId) };
      socket.send(JSON.stringify({ type: "message.send", id: clientMessageId, payload }));
    }
  };
  return {
    acks,
    send,
    closed: once(socket, "close"),
    close: () => {
      socket.close();
    },
    onFrame: (listener: () => void) => listeners.add(listener),
    /** Resolves when each has its acknowledgement. */
    sendAll: (keys: readonly string[]): Promise<ReadonlyMap<string, MessageAck>> =>
      new Promise((resolve, reject) => {
        listeners.add(() => {
          if (problems.length > 0) reject(new Error(JSON.stringify(problems[0])));
          if (acks.size === keys.length) resolve(acks);
        });
        socket.on("close", (code: number) => {
          reject(new Error(`closed with ${code} after ${acks.size} acknowledgements`));
        });
        send(keys);
      }),
  };
};

/** Kills as soon as that many acknowledgements have come in; what else came before the sockets broke counts as well. */
const killAfter = async (
  server: TestServer,
  senders: readonly { readonly keys: readonly string[]; readonly socket: RawSocket }[],
  acksBefore: number,
): Promise<ReadonlyMap<string, MessageAck>> => {
  const enough = new Promise<void>((resolve) => {
    const look = (): void => {
      if (senders.reduce((sum, { socket }) => sum + socket.acks.size, 0) >= acksBefore) resolve();
    };
    for (const { socket } of senders) socket.onFrame(look);
    for (const { socket, keys } of senders) socket.send(keys);
    look();
  });
  await enough;
  await server.kill();
  await Promise.all(senders.map(({ socket }) => socket.closed));
  return new Map(senders.flatMap(({ socket }) => [...socket.acks]));
};

/** One message each, where its acknowledgement says; what one device sent stands in the order in which it was sent. */
const checkOnceEach = (conversation: TrueConversation, acknowledged: ReadonlyMap<string, MessageAck>): void => {
  const all = messagesOf(conversation);
  expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, i) => i + 1));
  expect(all.length).toBe(acknowledged.size);
  for (const { clientMessageId, messageId, sequence, at } of all)
    expect(acknowledged.get(clientMessageId)).toMatchObject({ messageId, sequence, timestamp: at });
  for (const userId of new Set(all.map(({ by }) => userIdOf(by)))) {
    const order = all.filter(({ by }) => userIdOf(by) === userId).map(({ clientMessageId }) => clientMessageId);
    expect(order).toEqual([...order].sort(bySending));
  }
};

const bySending = (one: string, other: string): number => rankOf(one) - rankOf(other);
const rankOf = (key: string): number => {
  const [, round, i] = key.split("-").map(Number);
  return (round ?? 0) * 10_000 + (i ?? 0);
};
