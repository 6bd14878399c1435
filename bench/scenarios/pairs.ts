import { awaitOwnCopies, conversationIdOf, messageFrame, openChat, type Role } from "../load/chat.js";
import { createClosedLoop } from "../load/closed-loop.js";
import { frameTemplate } from "../load/frames.js";
import { figure, measureLoop } from "../load/measure.js";
import { row, round, type BenchContext, type Figures, type Goal, type Row, type Scenario } from "../scenario.js";
import type { ParleyServer } from "../server/parley.js";
import { withServers } from "./with-floor.js";

const pairCount = 100;
const windows = [1, 8] as const;
const goalShare = 0.15;
const floorIs = "raw uWebSockets.js echo, same sockets, senders, window and frame";

/** 100 pairs in direct conversations: alice_i writes, durably acknowledged and delivered to bob_i before her next one. */
export const pairs: Scenario = {
  name: "pairs",
  summary: `${pairCount} pairs, 200-byte text, durable ack and delivery; windows ${windows.join(" and ")}`,
  run: (context) =>
    withServers(context, async (server, floored) => {
      const conversations = await startConversations(server);
      const rows: Row[] = [];
      for (const window of windows) {
        context.say(`pairs: window ${window}`);
        const { figures, floor } = await floored(
          { sockets: 2 * pairCount, senders: pairCount, window, frame: messageFrame(conversations[0] ?? "") },
          () => measurePairs(context, server, conversations, window),
        );
        rows.push(row({ variant: `window ${window}`, figures, floorIs, floor, goal: goalOf(figures, floor) }));
      }
      return rows;
    }),
};

const startConversations = async (server: ParleyServer): Promise<readonly string[]> => {
  const ids: string[] = [];
  for (let pair = 0; pair < pairCount; pair++) {
    const body = { type: "direct", participantIds: [`bob-${pair}`] };
    ids.push(conversationIdOf(await server.post(`alice-${pair}`, "/conversations", body)));
  }
  return ids;
};

const roles: readonly Role[] = [
  ...Array.from({ length: pairCount }, (_, pair) => ({
    userId: `alice-${pair}`,
    answersOf: pair,
    deliveriesOf: undefined,
  })),
  ...Array.from({ length: pairCount }, (_, pair) => ({
    userId: `bob-${pair}`,
    answersOf: undefined,
    deliveriesOf: { sender: pair, receiver: 0 },
  })),
];

const measurePairs = async (
  context: BenchContext,
  server: ParleyServer,
  conversations: readonly string[],
  window: number,
): Promise<Figures> => {
  const templates = conversations.map((id) => frameTemplate(messageFrame(id, `-w${window}`)));
  const chat = await openChat(server, roles, () => loop);
  const loop = createClosedLoop({
    senders: pairCount,
    window,
    receivers: 1,
    send: (sender, number) => {
      const template = templates[sender];
      if (template !== undefined) chat.group.at(sender).post(template, number);
    },
  });
  try {
    const figures = await measureLoop(loop, chat.group, server.pid, context.seconds);
    await awaitOwnCopies(chat, () => loop.counts().sent);
    return figures;
  } finally {
    chat.group.close();
  }
};

const goalOf = (figures: Figures, floor: Figures): Goal => {
  const value = round(figure(figures, "messagesPerSecond") / figure(floor, "messagesPerSecond"));
  return {
    says: "messages/s of the raw uWebSockets.js echo, server on one core",
    value,
    atLeast: goalShare,
    met: value >= goalShare,
  };
};
