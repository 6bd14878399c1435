import { setTimeout as sleep } from "node:timers/promises";
import { ParleyError, type Ack, type Client, type Message, type MessageAck } from "../../client/index.js";
import { text } from "../kit/device.js";
import type { Random } from "../kit/random.js";

export type Device = { readonly userId: string; readonly client: Client };
/** Members by conversation; the first one made it, and owns it if it is a group. */
export type Conversations = ReadonlyMap<string, { readonly members: readonly Device[]; readonly group: boolean }>;

export type Sent = {
  readonly conversationId: string;
  readonly userId: string;
  readonly clientMessageId: string;
  readonly text: string;
};
/** Times are of performance.now. */
export type Acknowledged = Sent & {
  readonly ack: MessageAck;
  readonly sentAt: number;
  readonly acknowledgedAt: number;
};

type Wish =
  | { readonly kind: "edit"; readonly text: string }
  | { readonly kind: "delete" }
  | { readonly kind: "add" | "remove"; readonly emoji: string }
  | { readonly kind: "read"; readonly upToSequence: number };
/** A change of a message, or a read cursor, repeated until it was answered. `answer` null: the message was deleted. */
export type Answered = {
  readonly wish: Wish;
  readonly conversationId: string;
  readonly userId: string;
  readonly messageId: string;
  readonly attempts: number;
  readonly answer: Ack | null;
  /** Of performance.now. */
  readonly answeredAt: number;
};

const emojis = ["👍", "❤️", "😂", "🎉", "👩‍👩‍👧"];

export type Pace = {
  /** Between an answer and the next act, at most; less on average. Default 10. */
  readonly pauseMsMax?: number;
  /** Whether each device ends with a message in each conversation, which heals whatever lies before it. Default true. */
  readonly lastWords?: boolean;
};

/** Every device sends, edits, deletes, reacts and reads as fast as answers allow, until told to finish. */
export const startLoad = (
  devices: readonly Device[],
  conversations: Conversations,
  random: Random,
  { pauseMsMax = 10, lastWords = true }: Pace = {},
) => {
  const sent: Sent[] = [];
  const acknowledged: Acknowledged[] = [];
  const answered: Answered[] = [];
  let going = true;

  const run = async (device: Device): Promise<void> => {
    const { userId, client } = device;
    const own = [...conversations].filter(([, { members }]) => members.includes(device));
    const send = async (conversationId: string, i: number): Promise<void> => {
      const message = { conversationId, userId, clientMessageId: `${userId}-${i}`, text: `«${userId} says ${i}»` };
      sent.push(message);
      const { clientMessageId } = message;
      const sentAt = performance.now();
      const ack = await client.send(conversationId, text(message.text), { clientMessageId }).accepted;
      acknowledged.push({ ...message, ack, sentAt, acknowledgedAt: performance.now() });
    };
    let i = 0;
    for (; going; i += 1) {
      const [conversationId, { members, group }] = random.pick(own);
      const messages = client.conversations.get(conversationId)?.messages ?? [];
      const owner = group && members[0] === device;
      const wished = random.chance(0.5) ? undefined : wishFor(random, messages, { userId, owner, i });
      if (wished === undefined) await send(conversationId, i);
      else answered.push(await insist(client, { ...wished, conversationId, userId }));
      await sleep(random.int(pauseMsMax));
    }
    // A device that has these has got what lies before them in the conversation.
    if (lastWords) for (const [conversationId] of own) await send(conversationId, (i += 1));
  };

  const running = Promise.all(devices.map(run));
  // Told by `finish`; a test that failed before has said why, and closes the clients.
  running.catch(() => undefined);
  return {
    /** What was acknowledged so far; grows. */
    acknowledged: acknowledged as readonly Acknowledged[],
    finish: async () => {
      going = false;
      await running;
      return { sent, acknowledged, answered };
    },
  };
};
export type Work = Awaited<ReturnType<ReturnType<typeof startLoad>["finish"]>>;

/** undefined: nothing there to do it to. Half of it is about the newest messages, where all users meet. */
const wishFor = (
  random: Random,
  messages: readonly Message[],
  me: { readonly userId: string; readonly owner: boolean; readonly i: number },
): { readonly wish: Wish; readonly messageId: string } | undefined => {
  const there = messages.filter(({ deletedAt }) => deletedAt === undefined);
  const recent = random.chance(0.5) ? there.slice(-20) : there;
  const mine = recent.filter(({ senderId }) => senderId === me.userId);
  const kind = random.pick(["edit", "edit", "delete", "react", "react", "react", "read", "read"] as const);
  const candidates = kind === "edit" || (kind === "delete" && !me.owner) ? mine : recent;
  if (candidates.length === 0) return undefined;
  const { messageId, sequence } = random.pick(candidates);
  switch (kind) {
    case "edit":
      return { messageId, wish: { kind, text: `«${me.userId} edits ${me.i}»` } };
    case "delete":
      return { messageId, wish: { kind } };
    case "read":
      return { messageId, wish: { kind, upToSequence: sequence } };
    case "react": {
      const own = random.chance(0.4) ? reactionToTakeBack(random, candidates, me.userId) : undefined;
      return own ?? { messageId, wish: { kind: "add", emoji: random.pick(emojis) } };
    }
  }
};

/** One to take back. */
const reactionToTakeBack = (random: Random, messages: readonly Message[], userId: string) => {
  const own = messages.flatMap(({ messageId, reactions = [] }) =>
    reactions
      .filter(({ userIds }) => userIds.includes(userId))
      .map(({ emoji }) => ({ messageId, wish: { kind: "remove", emoji } as const })),
  );
  return own.length === 0 ? undefined : random.pick(own);
};

/** What became of a wish; that the message is deleted is an answer too. */
const insist = async (
  client: Client,
  asked: Pick<Answered, "wish" | "conversationId" | "userId" | "messageId">,
): Promise<Answered> => {
  let attempts = 0;
  const answer = await untilAnswered(() => {
    attempts += 1;
    return ask(client, asked);
  }).catch((thrown: unknown) => {
    if (thrown instanceof ParleyError && thrown.code === "MESSAGE_NOT_FOUND") return null;
    throw thrown;
  });
  return { ...asked, attempts, answer, answeredAt: performance.now() };
};

/** As an application does it: the same again until there is an answer. @throws (rejects) a refusal */
export const untilAnswered = async <A>(request: () => Promise<A>): Promise<A> => {
  for (;;)
    try {
      return await request();
    } catch (thrown) {
      if (!(thrown instanceof ParleyError)) throw thrown;
      if (!["DISCONNECTED", "TIMEOUT", "UNAVAILABLE"].includes(thrown.code)) throw thrown;
      await sleep(20);
    }
};

const ask = (
  client: Client,
  { wish, conversationId, messageId }: Pick<Answered, "wish" | "conversationId" | "messageId">,
): Promise<Ack> => {
  switch (wish.kind) {
    case "edit":
      return client.edit(conversationId, messageId, text(wish.text));
    case "delete":
      return client.remove(conversationId, messageId);
    case "add":
      return client.react(conversationId, messageId, wish.emoji);
    case "remove":
      return client.unreact(conversationId, messageId, wish.emoji);
    case "read":
      client.markRead(conversationId, wish.upToSequence);
      return client.request("message.read", { conversationId, upToSequence: wish.upToSequence });
  }
};
