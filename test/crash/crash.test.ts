import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Client, MessageAck } from "../../client/index.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { connectDevice, conversationOf, eventually, text, textsOf } from "../kit/device.js";
import { conversationsIn, messagesOf, readLog, unreadIn, type TrueConversation } from "../kit/history.js";
import { randomFrom, type Random } from "../kit/random.js";
import { seed } from "../kit/seed.js";
import { startServer, type TestServer } from "../kit/server.js";

const clientsCount = 20;
const kills = Number(process.env.PARLEY_KILLS ?? 5);

type Sent = {
  readonly conversationId: string;
  readonly userId: string;
  readonly clientMessageId: string;
  readonly text: string;
};
type Acknowledged = Sent & { readonly ack: MessageAck };
type Device = { readonly userId: string; readonly client: Client };

describe(`kill -9 under load (seed ${seed}, ${kills} kills)`, () => {
  it(
    "loses nothing, doubles nothing, and everybody ends with the same conversation",
    { timeout: 60_000 + kills * 15_000 },
    async () => {
      const random = randomFrom(seed);
      const server = await startServer();
      try {
        const devices = await connectAll(server);
        const conversationIds = await makeConversations(devices);
        const load = startLoad(devices, conversationIds, random);
        for (let kill = 0; kill < kills; kill += 1) {
          await sleep(300 + random.int(900));
          await server.kill();
          await server.start();
        }
        await sleep(300);
        const { sent, acknowledged } = await load.finish();
        await everybodyIsUpToDate(devices, acknowledged);
        await retriesAnswerTheFirstAcceptance(devices, acknowledged, random);
        const views = viewsOf(devices);
        for (const { client } of devices) client.close();
        expect(await server.terminate()).toBe(0);
        const log = conversationsIn(await readLog(server.dataDir));
        checkLog(log, sent, acknowledged);
        checkClients(log, views);
        // Asked of a server that has read its own log: the clients' last cursors are in it by now.
        await server.start();
        const unread = await unreadAsServed(devices);
        for (const [key, count] of unread) {
          const [userId = "", conversationId = ""] = key.split(" ");
          expect([key, count]).toEqual([key, unreadIn(inLog(log, conversationId), userId)]);
        }
      } finally {
        await server.dispose();
      }
    },
  );
});

const connectAll = (server: TestServer): Promise<readonly Device[]> =>
  Promise.all(
    Array.from({ length: clientsCount }, async (_, i) => ({
      userId: `user-${i}`,
      client: await connectDevice(server, `user-${i}`, "phone", { requestTimeoutMs: 3_000 }),
    })),
  );

/** Ten pairs and two groups that share members. */
const makeConversations = async (devices: readonly Device[]): Promise<ReadonlyMap<string, readonly Device[]>> => {
  const made = new Map<string, readonly Device[]>();
  const make = async (members: readonly Device[], conversation: Promise<{ conversationId: string }>): Promise<void> => {
    const { conversationId } = await conversation;
    made.set(conversationId, members);
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

/** Every device sends into its conversations and reads them, as fast as acknowledgements allow, until told to finish. */
const startLoad = (
  devices: readonly Device[],
  conversations: ReadonlyMap<string, readonly Device[]>,
  random: Random,
) => {
  const sent: Sent[] = [];
  const acknowledged: Acknowledged[] = [];
  let going = true;
  const run = async ({ userId, client }: Device): Promise<void> => {
    const own = [...conversations].filter(([, members]) => members.some((member) => member.userId === userId));
    for (let i = 0; going; i += 1) {
      const [conversationId] = random.pick(own);
      const message = { conversationId, userId, clientMessageId: `${userId}-${i}`, text: `${userId} says ${i}` };
      sent.push(message);
      const { accepted } = client.send(conversationId, text(message.text), {
        clientMessageId: message.clientMessageId,
      });
      const ack = await accepted;
      acknowledged.push({ ...message, ack });
      if (random.chance(0.3)) client.markRead(conversationId, ack.sequence);
      await sleep(random.int(20));
    }
  };
  const running = devices.map(run);
  return {
    finish: async () => {
      going = false;
      await Promise.all(running);
      return { sent, acknowledged };
    },
  };
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

/** Also of messages that every acknowledgement was received of: the same key again, by hand. */
const retriesAnswerTheFirstAcceptance = async (
  devices: readonly Device[],
  acknowledged: readonly Acknowledged[],
  random: Random,
) => {
  const clients = new Map(devices.map(({ userId, client }) => [userId, client]));
  const heads = new Map<string, number>();
  for (const { ack } of acknowledged)
    heads.set(ack.conversationId, Math.max(heads.get(ack.conversationId) ?? 0, ack.sequence));
  const known = acknowledged.filter(
    ({ ack }) => ack.sequence > (heads.get(ack.conversationId) ?? 0) - limits.recentMessagesMax,
  );
  for (let i = 0; i < 50; i += 1) {
    const { conversationId, userId, clientMessageId, text: said, ack } = random.pick(known);
    const again = await clients
      .get(userId)
      ?.request("message.send", { conversationId, clientMessageId, content: text(said) });
    expect(again).toEqual({ ...ack, duplicate: true });
  }
};

const unreadAsServed = async (devices: readonly Device[]): Promise<ReadonlyMap<string, number>> => {
  const unread = new Map<string, number>();
  for (const { userId, client } of devices)
    for (const { conversation, state } of (await client.inbox({ limit: 200 })).conversations)
      unread.set(`${userId} ${conversation.conversationId}`, state.unread);
  return unread;
};

type ClientView = {
  readonly userId: string;
  readonly conversationId: string;
  readonly texts: readonly (string | undefined)[];
  readonly sequences: readonly number[];
};

const viewsOf = (devices: readonly Device[]): readonly ClientView[] =>
  devices.flatMap(({ userId, client }) =>
    [...client.conversations.values()].map(({ conversationId, messages }) => ({
      userId,
      conversationId,
      texts: textsOf(client, conversationId),
      sequences: messages.map(({ sequence }) => sequence),
    })),
  );

const checkLog = (
  log: ReadonlyMap<string, TrueConversation>,
  sent: readonly Sent[],
  acknowledged: readonly Acknowledged[],
): void => {
  let messages = 0;
  for (const conversation of log.values()) {
    const all = messagesOf(conversation);
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, i) => i + 1));
    expect(new Set(all.map(({ messageId }) => messageId)).size).toBe(all.length);
    messages += all.length;
  }
  expect(acknowledged).toHaveLength(sent.length);
  expect(messages).toBe(sent.length);
  for (const { ack, userId, clientMessageId } of acknowledged) {
    const event = log.get(ack.conversationId)?.events[ack.pos];
    expect(event).toMatchObject({
      type: "MessageSent",
      messageId: ack.messageId,
      sequence: ack.sequence,
      at: ack.timestamp,
      clientMessageId,
      by: { userId },
    });
  }
};

const inLog = (log: ReadonlyMap<string, TrueConversation>, conversationId: string): TrueConversation => {
  const conversation = log.get(conversationId);
  if (conversation === undefined) throw new Error(`${conversationId} is not in the log`);
  return conversation;
};

const checkClients = (log: ReadonlyMap<string, TrueConversation>, views: readonly ClientView[]): void => {
  const agreed = new Map<string, readonly (string | undefined)[]>();
  for (const { userId, conversationId, sequences, texts } of views) {
    const all = messagesOf(inLog(log, conversationId));
    expect([userId, sequences]).toEqual([userId, all.map(({ sequence }) => sequence)]);
    expect(texts).toEqual(agreed.get(conversationId) ?? texts);
    agreed.set(conversationId, texts);
  }
};
