import { messageFrame } from "../load/chat.js";
import { figure, timesOf } from "../load/measure.js";
import { measurePairs, pairCount, placeOf, startPairs } from "../load/pair-chat.js";
import { row, round, type Figures, type Goal, type Row, type Scenario } from "../scenario.js";
import { withServers } from "./with-floor.js";

const windows = [1, 8] as const;
const goalShare = 0.15;
const floorIs = "raw uWebSockets.js echo, same sockets, senders, window and frame";

/** 100 pairs in direct conversations: alice_i writes, durably acknowledged and delivered to bob_i before her next one. */
export const pairs: Scenario = {
  name: "pairs",
  summary: `${pairCount} pairs, 200-byte text, durable ack and delivery; windows ${windows.join(" and ")}`,
  run: (context) =>
    withServers(context, async (server, floored) => {
      const place = placeOf(server);
      const conversations = await startPairs(server);
      const rows: Row[] = [];
      for (const window of windows) {
        context.say(`pairs: window ${window}`);
        const { figures, floor } = await floored(
          { sockets: 2 * pairCount, senders: pairCount, window, frame: messageFrame(conversations[0] ?? "") },
          () => measurePairs(place, { ...timesOf(context), conversations, pace: { window } }),
        );
        rows.push(row({ variant: `window ${window}`, figures, floorIs, floor, goal: goalOf(figures, floor) }));
      }
      return rows;
    }),
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
