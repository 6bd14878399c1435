import { awaitOwnCopies, conversationIdOf, messageFrame, openChat, type Role } from "../load/chat.js";
import { createClosedLoop } from "../load/closed-loop.js";
import { frameTemplate } from "../load/frames.js";
import { measureLoop, timesOf } from "../load/measure.js";
import { row, type BenchContext, type Figures, type Row, type Scenario } from "../scenario.js";
import type { ParleyServer } from "../server/parley.js";
import { viewsOf } from "../server/views.js";
import { withServers } from "./with-floor.js";

const memberCount = 100;
const windows = [1, 8] as const;
const floorIs = "raw uWebSockets.js echo on as many sockets, all sending: each echo is one delivery";

const member = (index: number): string => `member-${index}`;

/** One group, all members connected, one of them writing: what a message costs when it goes to 99 others. */
export const group: Scenario = {
  name: "group",
  summary: `one group of ${memberCount} connected members, one sender; windows ${windows.join(" and ")}`,
  run: (context) =>
    withServers(context, async (server, floored) => {
      const participantIds = Array.from({ length: memberCount - 1 }, (_, i) => member(i + 1));
      const conversationId = conversationIdOf(
        await server.post(member(0), "/groups", { name: "bench", participantIds }),
      );
      const rows: Row[] = [];
      for (const window of windows) {
        context.say(`group: window ${window}`);
        const { figures, floor } = await floored(
          { sockets: memberCount, senders: memberCount, pace: { window }, frame: messageFrame(conversationId) },
          () => measureGroup(context, server, conversationId, window),
        );
        rows.push(
          row({ variant: `window ${window}`, figures, floors: { echo: { is: floorIs, figures: perDelivery(floor) } } }),
        );
      }
      return rows;
    }),
};

/** One echo is one frame to one member: a share of messages/s or of CPU a message would compare 99 frames with one. */
const perDelivery = (floor: Figures): Figures =>
  Object.fromEntries(Object.entries(floor).filter(([name]) => !/^messages|^ack|PerMessage$/.test(name)));

const roles: readonly Role[] = Array.from({ length: memberCount }, (_, index) => ({
  userId: member(index),
  answersOf: index === 0 ? 0 : undefined,
  deliveriesOf: index === 0 ? undefined : { sender: 0, receiver: index - 1 },
}));

const measureGroup = async (
  context: BenchContext,
  server: ParleyServer,
  conversationId: string,
  window: number,
): Promise<Figures> => {
  const template = frameTemplate(messageFrame(conversationId, `-w${window}`));
  const chat = await openChat(server, roles, () => loop);
  const loop = createClosedLoop({
    senders: 1,
    window,
    receivers: memberCount - 1,
    send: (_, number) => {
      chat.group.at(0).post(template, number);
    },
  });
  const target = { processes: [server], views: viewsOf(server.url, server) };
  try {
    const figures = await measureLoop(loop, chat.group, target, timesOf(context));
    await awaitOwnCopies(chat, () => loop.counts().sent);
    return figures;
  } finally {
    loop.stop();
    chat.group.close();
  }
};
