import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { limits } from "../../src/domain/kernel/limits.js";
import { connectDevice, conversationOf, eventually, text } from "../kit/device.js";
import { conversationsIn, readLog, trueMessagesOf, unreadIn, withTexts } from "../kit/history.js";
import { randomFrom, type Random } from "../kit/random.js";
import { seed } from "../kit/seed.js";
import { startServer, type TestServer } from "../kit/server.js";
import { checkChanges, checkMessages, checkViews, inLog, viewsOf, type Log, type Truth } from "./checks.js";
import { startLoad, type Acknowledged, type Answered, type Conversations, type Device } from "./load.js";
import { servedTo, type Served } from "./served.js";
import { createTap, type Tap } from "./tap.js";

const clientsCount = 20;
const kills = Number(process.env.PARLEY_KILLS ?? 5);

describe(`kill -9 under load (seed ${seed}, ${kills} kills)`, () => {
  it(
    "loses nothing, doubles nothing, and everybody ends with the same conversation",
    { timeout: 60_000 + kills * 15_000 },
    async () => {
      const random = randomFrom(seed);
      const startedAt = performance.now();
      const server = await startServer();
      try {
        const tap = createTap();
        const devices = await connectAll(server, tap);
        const conversations = await makeConversations(devices);
        const load = startLoad(devices, conversations, random);
        for (let kill = 0; kill < kills; kill += 1) {
          await sleep(300 + random.int(900));
          await server.kill();
          await server.start();
        }
        await sleep(300);
        const work = await load.finish();
        const { acknowledged, answered } = work;
        await everybodyIsUpToDate(devices, acknowledged);
        const retried = await retriesAnswerTheFirstAcceptance(devices, acknowledged, answered, random);
        const views = viewsOf(devices);
        const unreadOfClients = unreadInClients(devices);
        for (const { client } of devices) client.close();
        expect(await server.terminate()).toBe(0);
        const log = conversationsIn(await readLog(server.dataDir));
        const truth = await truthOf(server, log);
        checkMessages(log, work);
        checkChanges(log, truth, answered);
        checkViews(truth, views);
        // Asked of a server that has read its own log: the clients' last cursors are in it by now.
        await server.start();
        const served = await servedToEverybody(server, tap, devices);
        for (const { views: shown } of served) checkViews(truth, shown);
        checkInboxes(log, truth, served);
        checkDeletions(truth, answered, served, tap);
        for (const [key, unread] of unreadOfClients) {
          const [userId = "", conversationId = ""] = key.split(" ");
          expect([key, unread]).toEqual([key, unreadIn(inLog(log, conversationId), userId)]);
        }
        report({ acknowledged, answered, retried, truth, tap, startedAt });
      } finally {
        await server.dispose();
      }
    },
  );
});

const connectAll = (server: TestServer, { platform }: Tap): Promise<readonly Device[]> =>
  Promise.all(
    Array.from({ length: clientsCount }, async (_, i) => ({
      userId: `user-${i}`,
      client: await connectDevice(server, `user-${i}`, "phone", { platform, requestTimeoutMs: 3_000 }),
    })),
  );

/** Ten pairs and two groups that share members. */
const makeConversations = async (devices: readonly Device[]): Promise<Conversations> => {
  const made = new Map<string, { readonly members: readonly Device[]; readonly group: boolean }>();
  const make = async (members: readonly Device[], conversation: Promise<{ conversationId: string }>): Promise<void> => {
    const { conversationId } = await conversation;
    made.set(conversationId, { members, group: conversationId.startsWith("g_") });
    await eventually(() => members.every(({ client }) => client.conversations.has(conversationId)), "members know it");
  };
  for (let i = 0; i < devices.length; i += 2) {
    const [a, b] = devices.slice(i, i + 2) as [Device, Device];
    await make([a, b], a.client.createDirect(b.userId));
  }
  for (const members of [devices, devices.slice(0, 7)]) {
    const [creator, ...others] = members as [Device, ...Device[]];
    const participantIds = others.map(({ userId }) => userId);
    await make(members, creator.client.createGroup({ name: "Crowd", participantIds }));
  }
  return made;
};

const everybodyIsUpToDate = async (
  devices: readonly Device[],
  acknowledged: readonly Acknowledged[],
): Promise<void> => {
  const heads = new Map<string, number>();
  for (const { ack } of acknowledged)
    heads.set(ack.conversationId, Math.max(heads.get(ack.conversationId) ?? 0, ack.pos));
  for (const { userId, client } of devices)
    for (const [conversationId, pos] of heads)
      if (client.conversations.has(conversationId))
        await eventually(
          () => conversationOf(client, conversationId).pos >= pos,
          `${userId} at ${pos} of ${conversationId}`,
        );
};

/**
 * The same key again, by hand, of messages whose acknowledgement was received: any of them, the oldest, which have left
 * the conversation's window in a long run, and those that were edited or deleted since. The number of retries.
 */
const retriesAnswerTheFirstAcceptance = async (
  devices: readonly Device[],
  acknowledged: readonly Acknowledged[],
  answered: readonly Answered[],
  random: Random,
): Promise<number> => {
  const clients = new Map(devices.map(({ userId, client }) => [userId, client]));
  const changed = (kind: "edit" | "delete"): readonly Acknowledged[] => {
    const ids = new Set(answered.filter(({ wish }) => wish.kind === kind).map(({ messageId }) => messageId));
    return acknowledged.filter(({ ack }) => ids.has(ack.messageId));
  };
  const groups = [acknowledged, acknowledged.slice(0, 200), changed("edit"), changed("delete")];
  for (const from of groups)
    for (let i = 0; i < 30; i += 1) {
      const { conversationId, userId, clientMessageId, text: said, ack } = random.pick(from);
      const retry = { conversationId, clientMessageId, content: text(said) };
      const again = await clients.get(userId)?.request("message.send", retry);
      expect(again).toEqual({ ...ack, duplicate: true });
    }
  return groups.length * 30;
};

const unreadInClients = (devices: readonly Device[]): ReadonlyMap<string, number> =>
  new Map(
    devices.flatMap(({ userId, client }) =>
      [...client.conversations.values()].map(
        ({ conversationId, inbox }) => [`${userId} ${conversationId}`, inbox.unread] as const,
      ),
    ),
  );

const truthOf = (server: TestServer, log: Log): Promise<Truth> =>
  withTexts(server.dataDir, async (open) => {
    const truth = new Map<string, Awaited<ReturnType<typeof trueMessagesOf>>>();
    for (const conversation of log.values())
      truth.set(conversation.conversationId, await trueMessagesOf(conversation, open));
    return truth;
  });

/** On devices that know nothing yet. */
const servedToEverybody = async (
  server: TestServer,
  { platform }: Tap,
  devices: readonly Device[],
): Promise<readonly Served[]> => {
  const served: Served[] = [];
  for (const { userId } of devices) {
    const client = await connectDevice(server, userId, "tablet", { platform });
    served.push(await servedTo({ userId, client }));
    client.close();
  }
  return served;
};

const checkInboxes = (log: Log, truth: Truth, served: readonly Served[]): void => {
  for (const { userId, summaries } of served)
    for (const { conversation, state } of summaries) {
      const { conversationId } = conversation;
      const known = inLog(log, conversationId);
      const last = [...inLog(truth, conversationId).values()].at(-1)?.shown;
      const { readUpTo, unread, lastMessage } = state;
      const { sequence, preview, deleted } = lastMessage ?? {};
      expect([userId, conversationId, { readUpTo, unread, sequence, preview, deleted }]).toEqual([
        userId,
        conversationId,
        {
          readUpTo: known.readUpTo.get(userId) ?? 0,
          unread: unreadIn(known, userId),
          sequence: last?.sequence,
          preview: last?.text ?? "",
          deleted: last?.deletedAt === undefined ? undefined : true,
        },
      ]);
    }
};

/** No answer holds a text of a deleted message, nor did any connection that was made after its deletion was answered. */
const checkDeletions = (truth: Truth, answered: readonly Answered[], served: readonly Served[], tap: Tap): void => {
  for (const { wish, conversationId, messageId, answeredAt } of answered) {
    if (wish.kind !== "delete") continue;
    for (const text of inLog(inLog(truth, conversationId), messageId).said) {
      expect([text, served.filter(({ texts }) => texts.has(text)).map(({ userId }) => userId)]).toEqual([text, []]);
      expect([text, tap.receivedAfter(answeredAt, text)]).toEqual([text, 0]);
    }
  }
};

const report = (done: {
  readonly acknowledged: readonly Acknowledged[];
  readonly answered: readonly Answered[];
  readonly retried: number;
  readonly truth: Truth;
  readonly tap: Tap;
  readonly startedAt: number;
}): void => {
  const { acknowledged, answered, retried, truth, tap, startedAt } = done;
  const counts = new Map<string, number>();
  for (const { wish } of answered) counts.set(wish.kind, (counts.get(wish.kind) ?? 0) + 1);
  const again = answered.filter(({ attempts }) => attempts > 1);
  const figures = {
    seed,
    kills,
    messages: acknowledged.length,
    ...Object.fromEntries(counts),
    duplicatesOfOutboxes: acknowledged.filter(({ ack }) => ack.duplicate).length,
    duplicatesByHand: retried,
    changesRepeated: again.length,
    changesRepeatedInVain: again.filter(({ wish, answer }) => wish.kind !== "read" && answer?.pos === undefined).length,
    largest: Math.max(...[...truth.values()].map(({ size }) => size)),
    beyondWindow: Math.max(...[...truth.values()].map(({ size }) => size)) > limits.recentMessagesMax,
    connections: tap.connections(),
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  };
  process.stdout.write(`crash: ${JSON.stringify(figures)}\n`);
};
