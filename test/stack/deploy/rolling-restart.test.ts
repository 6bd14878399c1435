/** What an upgrade does: every process is ended and started again in turn, while all users go on talking. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { retryable } from "../../../client/errors.js";
import { checkMessages, checkViews, truthOf, viewsOf } from "../../crash/checks.js";
import type { Acknowledged, Conversations, Device, Sent } from "../../crash/load.js";
import { everybodyIsUpToDate, headsOf, makeConversations } from "../../crash/people.js";
import { clusterEngines, startCluster, type Cluster } from "../../kit/cluster.js";
import { connectDevice, eventually, text } from "../../kit/device.js";
import { startHaproxy, type Haproxy } from "../../kit/haproxy.js";
import { conversationsIn, readLog } from "../../kit/history.js";
import { randomFrom, type Random } from "../../kit/random.js";
import { seed } from "../../kit/seed.js";
import type { ServerProcess } from "../../kit/server.js";
import { tool } from "./tools.js";

const haproxyProgram = tool("haproxy");
const devicesCount = 20;
const pauseMsMax = 2_000;
const timeout = 240_000;
/** A bound for what fails; nothing passes because of it. */
const longMs = 60_000;

describe.skipIf(haproxyProgram === undefined || !clusterEngines())(
  `a rolling restart under load (seed ${seed})`,
  () => {
    const random = randomFrom(seed);
    let cluster: Cluster;
    let haproxy: Haproxy;
    let devices: readonly Device[] = [];
    let seen: Seen;
    let conversations: Conversations;
    let round = 0;

    beforeAll(async () => {
      cluster = await startCluster({ gateways: 2, projectors: 2 });
      const [one, two] = cluster.gateways;
      if (one === undefined || two === undefined) throw new Error("two gateways were asked for");
      haproxy = await startHaproxy(haproxyProgram ?? "", [one, two]);
    });
    afterAll(async () => {
      await haproxy.stop();
      await cluster.dispose();
    });
    beforeEach(async () => {
      round += 1;
      const door = { url: () => haproxy.url, token: cluster.token };
      const users = Array.from({ length: devicesCount }, (_, i) => cluster.user(`round-${round}-${i}`));
      devices = await Promise.all(
        users.map(async (userId) => ({ userId, client: await connectDevice(door, userId, "phone") })),
      );
      seen = watch(devices);
      conversations = await makeConversations(devices);
    });
    afterEach(() => {
      for (const { client } of devices) client.close();
    });

    /** Everything sent is in the log once, on every device once, and no device was told of an error. */
    const check = async (work: Work): Promise<void> => {
      expect(work.refused).toEqual([]);
      await everybodyIsUpToDate(devices, headsOf(work.acknowledged), longMs);
      const log = new Map([...conversationsIn(await readLog(cluster.source))].filter(([id]) => conversations.has(id)));
      checkMessages(log, work);
      checkViews(await truthOf(cluster.source, log), viewsOf(devices));
      expect(seen.errors).toEqual([]);
      expect(seen.twice).toEqual([]);
    };

    it(
      "of the gateways: nothing is refused, lost or doubled, and no error reaches an application",
      { timeout },
      async () => {
        const load = startTalking(devices, conversations, random);
        await everybodyTalks(load);
        for (const gateway of cluster.gateways) {
          await restart(gateway);
          await haproxy.allUp();
          await everybodyTalks(load);
        }
        await check(await load.finish());
        // Both had clients, and lost them all.
        expect(seen.reconnected()).toBe(devicesCount);
      },
    );

    it("of the projectors: the same, and no connection ends", { timeout }, async () => {
      const load = startTalking(devices, conversations, random);
      await everybodyTalks(load);
      for (const projector of cluster.projectors) {
        await restart(projector);
        await everybodyTalks(load);
      }
      await check(await load.finish());
      expect(seen.reconnected()).toBe(0);
    });
  },
);

const restart = async (process: ServerProcess): Promise<void> => {
  expect(await process.terminate()).toBe(0);
  await process.start();
  await eventually(async () => (await fetch(`${process.url()}/readyz`)).status === 200, "ready again", longMs);
};

type Work = { readonly sent: Sent[]; readonly acknowledged: Acknowledged[]; readonly refused: readonly string[] };
type Talking = {
  /** Grows. */
  readonly acknowledged: readonly Acknowledged[];
  /** Resolves when every message was acknowledged or refused. */
  readonly finish: () => Promise<Work>;
};

/** Every device sends to all of its conversations and reads what it got, as fast as people do. */
const startTalking = (devices: readonly Device[], conversations: Conversations, random: Random): Talking => {
  const sent: Sent[] = [];
  const acknowledged: Acknowledged[] = [];
  const refused: string[] = [];
  let going = true;
  const send = async ({ client }: Device, message: Sent): Promise<void> => {
    const { conversationId, clientMessageId } = message;
    const sentAt = performance.now();
    try {
      const ack = await client.send(conversationId, text(message.text), { clientMessageId }).accepted;
      acknowledged.push({ ...message, ack, sentAt, acknowledgedAt: performance.now() });
    } catch (error) {
      refused.push(`${message.text}: ${String(error)}`);
    }
  };
  const talk = async (device: Device): Promise<void> => {
    const { userId, client } = device;
    const own = [...conversations].filter(([, { members }]) => members.includes(device));
    const answers: Promise<void>[] = [];
    for (let i = 0; going && client.connection().kind !== "closed"; i += 1) {
      const [conversationId] = random.pick(own);
      const message = { conversationId, userId, clientMessageId: `${userId}-${i}`, text: `«${userId} says ${i}»` };
      sent.push(message);
      answers.push(send(device, message));
      const last = client.conversations.get(conversationId)?.messages.at(-1)?.sequence;
      if (last !== undefined) client.markRead(conversationId, last);
      await sleep(random.int(pauseMsMax));
    }
    await Promise.all(answers);
  };
  const running = Promise.all(devices.map(talk));
  return {
    acknowledged,
    finish: async () => {
      going = false;
      await running;
      return { sent, acknowledged, refused };
    },
  };
};

/** Until each device has an answer to what it sent from now on. */
const everybodyTalks = async ({ acknowledged }: Talking): Promise<void> => {
  const since = performance.now();
  await eventually(
    () => new Set(acknowledged.flatMap(({ userId, sentAt }) => (sentAt > since ? [userId] : []))).size === devicesCount,
    "everybody talks",
    longMs,
  );
};

type Seen = {
  /** What the library does not mend by itself. */
  readonly errors: readonly string[];
  /** Messages that an application was told of more than once. */
  readonly twice: readonly string[];
  /** Devices that were online and had to connect again. */
  readonly reconnected: () => number;
};

const watch = (devices: readonly Device[]): Seen => {
  const errors: string[] = [];
  const twice: string[] = [];
  const lost = new Set<string>();
  for (const { userId, client } of devices) {
    const messages = new Set<string>();
    client.on("error", (error) => {
      // The library asks again by itself, as when the views are behind for a moment.
      if (retryable(error) !== "later") errors.push(`${userId}: ${error.code} ${error.message}`);
    });
    client.on("pending", ({ status, clientMessageId }) => {
      if (status.kind === "failed") errors.push(`${userId}: ${clientMessageId} was refused`);
    });
    client.on("connection", ({ kind }) => {
      if (kind === "waiting") lost.add(userId);
      if (kind === "closed") errors.push(`${userId}: closed`);
    });
    client.on("message", ({ message: { messageId } }) => {
      if (messages.has(messageId)) twice.push(`${userId}: ${messageId}`);
      messages.add(messageId);
    });
  }
  return { errors, twice, reconnected: () => lost.size };
};
