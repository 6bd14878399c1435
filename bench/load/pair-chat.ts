import type { Figures } from "../scenario.js";
import type { ParleyServer } from "../server/parley.js";
import { viewsOf } from "../server/views.js";
import { awaitOwnCopies, conversationIdOf, messageFrame, openChat, type Chat, type Role } from "./chat.js";
import type { Target } from "./cost.js";
import { frameTemplate } from "./frames.js";
import type { Loop } from "./loop.js";
import { measureLoop, type Times } from "./measure.js";
import { createLoop, type Pace } from "./pace.js";

export const pairCount = 100;
/** Each takes a round trip to every engine. */
const concurrentStarts = 10;

/** Where pairs write: one server, or several gateways over the same log. */
export type PairPlace = Pick<ParleyServer, "token"> & {
  /** Alice of pair i comes to gateway i, Bob to the next one, counted round. */
  readonly urls: readonly [URL, ...URL[]];
  readonly target: Target;
  /** Messages come back to Alice as well, as PROTOCOL §1 owes it. */
  readonly ownCopies: boolean;
  /** Fewer than `pairCount`. */
  readonly pairs?: number;
  /** Follows the users' names: a run that shares a log with an earlier one needs users of its own. */
  readonly tag: string;
};

export const placeOf = (server: ParleyServer): PairPlace => ({
  token: server.token,
  urls: [server.url],
  target: { processes: [server], views: viewsOf(server.url, server) },
  ownCopies: true,
  tag: "",
});

/** The direct conversation of each pair; their ids. */
export const startPairs = async ({ post }: Pick<ParleyServer, "post">, tag = ""): Promise<readonly string[]> => {
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

const rolesAt = ({ urls, tag, pairs: count = pairCount }: PairPlace): readonly Role[] => {
  const urlAt = (index: number): URL => urls[index % urls.length] ?? urls[0];
  const pairs = Array.from({ length: count }, (_, pair) => pair);
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

export type PairLoad = Times & {
  readonly conversations: readonly string[];
  readonly pace: Pace;
  /** How long one message of each pair may take before anything is warmed up or measured; undefined: none is sent. */
  readonly settleMsMax?: number;
  /** Tells the messages of one measurement from those of another with the same pace in the same conversations. */
  readonly keys?: string;
};

/**
 * A message is complete when Alice has her durable ack and Bob his copy. Rejects when one frame is missing at the end,
 * also of the copies that come back to Alice herself.
 */
export const measurePairs = async (place: PairPlace, load: PairLoad): Promise<Figures> => {
  const { conversations, pace, settleMsMax, keys = "" } = load;
  const chat = await openChat({ url: place.urls[0], token: place.token }, rolesAt(place), () => loop);
  const loopOf = (suffix: string, at: Pace): Loop => {
    const templates = conversations.map((id) => frameTemplate(messageFrame(id, suffix)));
    const send = (sender: number, number: number): void => {
      const template = templates[sender];
      if (template !== undefined) chat.group.at(sender).post(template, number);
    };
    return createLoop(at, { senders: place.pairs ?? pairCount, receivers: 1, send });
  };
  const suffix = "window" in pace ? `-w${pace.window}${keys}` : `-p${keys}`;
  let loop = loopOf(`${suffix}-first`, { window: 1 });
  try {
    if (settleMsMax !== undefined) await settle(chat, loop, settleMsMax);
    const settled = loop.counts().sent;
    loop = loopOf(suffix, pace);
    const figures = await measureLoop(loop, chat.group, place.target, load);
    if (place.ownCopies) await awaitOwnCopies(chat, () => settled + loop.counts().sent);
    return { ...figures, syncsRequired: chat.syncsRequired() };
  } finally {
    loop.stop();
    chat.group.close();
  }
};

/** A projector that has a backlog delivers only behind it: one message of each pair has to come through first. */
const settle = async (chat: Chat, loop: Loop, patienceMs: number): Promise<void> => {
  loop.start();
  await Promise.race([loop.drain(patienceMs), chat.group.failed]);
  await awaitOwnCopies(chat, () => loop.counts().sent);
};
