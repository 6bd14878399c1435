import { expect } from "vitest";
import { connectDevice, conversationOf, eventually, text } from "../kit/device.js";
import type { Random } from "../kit/random.js";
import type { Door } from "../kit/server.js";
import { untilAnswered, type Acknowledged, type Answered, type Conversations, type Device } from "./load.js";
import { servedTo, type Served } from "./served.js";
import type { Tap } from "./tap.js";

/** Where a user comes in: one server, or the user's own of several. */
export type Doors = (userId: string) => Door;

/** Phones of `prefix`0, `prefix`1, … */
export const connectAll = (
  doorOf: Doors,
  { platform }: Pick<Tap, "platform">,
  { count, prefix }: { readonly count: number; readonly prefix: string },
): Promise<readonly Device[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const userId = `${prefix}${i}`;
      const client = await connectDevice(doorOf(userId), userId, "phone", { platform, requestTimeoutMs: 3_000 });
      return { userId, client };
    }),
  );

/** A pair of each two neighbours, and two groups that share members. */
export const makeConversations = async (devices: readonly Device[]): Promise<Conversations> => {
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

/** By conversation, the pos that all devices that know it have to reach. */
export type Heads = ReadonlyMap<string, number>;

export const headsOf = (acknowledged: readonly Acknowledged[]): Heads => {
  const heads = new Map<string, number>();
  for (const { ack } of acknowledged)
    heads.set(ack.conversationId, Math.max(heads.get(ack.conversationId) ?? 0, ack.pos));
  return heads;
};

export const everybodyIsUpToDate = async (
  devices: readonly Device[],
  heads: Heads,
  timeoutMs?: number,
): Promise<void> => {
  for (const { userId, client } of devices)
    for (const [conversationId, pos] of heads)
      if (client.conversations.has(conversationId))
        await eventually(
          () => conversationOf(client, conversationId).pos >= pos,
          `${userId} at ${pos} of ${conversationId}`,
          timeoutMs,
        );
};

/**
 * The same key again, by hand, of messages whose acknowledgement was received: any of them, the oldest, which have left
 * the conversation's window in a long run, and those that were edited or deleted since. The number of retries.
 */
export const retriesAnswerTheFirstAcceptance = async (
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
  const groups = [acknowledged, acknowledged.slice(0, 200), changed("edit"), changed("delete")].filter(
    ({ length }) => length > 0, // a short run may have deleted nothing
  );
  for (const from of groups)
    for (let i = 0; i < 30; i += 1) {
      const { conversationId, userId, clientMessageId, text: said, ack } = random.pick(from);
      const retry = { conversationId, clientMessageId, content: text(said) };
      const again = await untilAnswered(async () => clients.get(userId)?.request("message.send", retry));
      expect(again).toEqual({ ...ack, duplicate: true });
    }
  return groups.length * 30;
};

/** By user and conversation, with a blank between. */
export const unreadInClients = (devices: readonly Device[]): ReadonlyMap<string, number> =>
  new Map(
    devices.flatMap(({ userId, client }) =>
      [...client.conversations.values()].map(
        ({ conversationId, inbox }) => [`${userId} ${conversationId}`, inbox.unread] as const,
      ),
    ),
  );

/** On devices that know nothing yet. */
export const servedToEverybody = async (
  doorOf: Doors,
  { platform }: Tap,
  devices: readonly Device[],
): Promise<readonly Served[]> => {
  const served: Served[] = [];
  for (const { userId } of devices) {
    const client = await connectDevice(doorOf(userId), userId, "tablet", { platform });
    served.push(await servedTo({ userId, client }));
    client.close();
  }
  return served;
};
