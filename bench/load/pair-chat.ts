import type { Figures } from "../scenario.js";
import type { ParleyServer } from "../server/parley.js";
import { awaitOwnCopies, conversationIdOf, messageFrame, openChat, type Chat, type Role } from "./chat.js";
import { createClosedLoop, type ClosedLoop } from "./closed-loop.js";
import { frameTemplate } from "./frames.js";
import { measureLoop } from "./measure.js";

export const pairCount = 100;
/** Each takes a round trip to every engine. */
const concurrentStarts = 10;

/** Where pairs write: one server, or several gateways over the same log. */
export type PairPlace = Pick<ParleyServer, "token" | "post"> & {
  /** Alice of pair i comes to gateway i, Bob to the next one, counted round. */
  readonly urls: readonly [URL, ...URL[]];
  /** All processes that do the server's work. */
  readonly pids: readonly number[];
  /** Follows the users' names: a run that shares a log with an earlier one needs users of its own. */
  readonly tag: string;
};

export const placeOf = ({ url, pid, token, post }: ParleyServer): PairPlace => ({
  ...{ token, post, urls: [url], pids: [pid], tag: "" },
});

/** The direct conversation of each pair; their ids. */
export const startPairs = async ({ post, tag }: Pick<PairPlace, "post" | "tag">): Promise<readonly string[]> => {
  const start = async (pair: number): Promise<string> => {
    const body = { type: "direct", participantIds: [`bob-${pair}${tag}`] };
    return conversationIdOf(await post(`alice-${pair}${tag}`, "/conversations", body));
  };
  const ids: string[] = [];
  for (let from = 0; from < pairCount; from += concurrentStarts) {
    const indexes = Array.from({ length: Math.min(concurrentStarts, pairCount - from) }, (_, i) => from + i);
    ids.push(...(await Promise.all(indexes.map(start))));
  }
  return ids;
};

const rolesAt = ({ urls, tag }: PairPlace): readonly Role[] => {
  const urlAt = (index: number): URL => urls[index % urls.length] ?? urls[0];
  const pairs = Array.from({ length: pairCount }, (_, pair) => pair);
  return [
    ...pairs.map((pair) => ({
      userId: `alice-${pair}${tag}`,
      url: urlAt(pair),
      answersOf: pair,
      deliveriesOf: undefined,
    })),
    ...pairs.map((pair) => ({
      userId: `bob-${pair}${tag}`,
      url: urlAt(pair + 1),
      answersOf: undefined,
      deliveriesOf: { sender: pair, receiver: 0 },
    })),
  ];
};

export type PairLoad = {
  readonly conversations: readonly string[];
  readonly window: number;
  readonly seconds: number;
  /** How long one message of each pair may take before anything is warmed up or measured; undefined: none is sent. */
  readonly settleMsMax?: number;
  /** Tells the messages of one measurement from those of another with the same window in the same conversations. */
  readonly keys?: string;
};

/** Alice's next message leaves when she has her durable ack and Bob his copy. Rejects when one frame is missing at the end. */
export const measurePairs = async (place: PairPlace, load: PairLoad): Promise<Figures> => {
  const { conversations, window, seconds, settleMsMax, keys = "" } = load;
  const chat = await openChat({ url: place.urls[0], token: place.token }, rolesAt(place), () => loop);
  const loopOf = (suffix: string, inFlight: number): ClosedLoop => {
    const templates = conversations.map((id) => frameTemplate(messageFrame(id, suffix)));
    return createClosedLoop({
      senders: pairCount,
      window: inFlight,
      receivers: 1,
      send: (sender, number) => {
        const template = templates[sender];
        if (template !== undefined) chat.group.at(sender).post(template, number);
      },
    });
  };
  let loop = loopOf(`-w${window}${keys}-first`, 1);
  try {
    if (settleMsMax !== undefined) await settle(chat, loop, settleMsMax);
    const settled = loop.counts().sent;
    loop = loopOf(`-w${window}${keys}`, window);
    const figures = await measureLoop(loop, chat.group, place.pids, seconds);
    await awaitOwnCopies(chat, () => settled + loop.counts().sent);
    return { ...figures, syncsRequired: chat.syncsRequired() };
  } finally {
    chat.group.close();
  }
};

/** A projector that has a backlog delivers only behind it: one message of each pair has to come through first. */
const settle = async (chat: Chat, loop: ClosedLoop, patienceMs: number): Promise<void> => {
  loop.start();
  await Promise.race([loop.drain(patienceMs), chat.group.failed]);
  await awaitOwnCopies(chat, () => loop.counts().sent);
};
