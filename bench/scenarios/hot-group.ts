import { awaitOwnCopies, conversationIdOf, messageFrame, openChat, type Role } from "../load/chat.js";
import { createClosedLoop } from "../load/closed-loop.js";
import { frameTemplate } from "../load/frames.js";
import { figure, measureLoop, timesOf } from "../load/measure.js";
import { row, type BenchContext, type Figures, type Row, type Scenario } from "../scenario.js";
import type { ParleyServer } from "../server/parley.js";
import { viewsOf } from "../server/views.js";
import { withServers } from "./with-floor.js";

const senders = 20;
const windows = [1, 8] as const;
/** Of a message: its answer, and a copy for every member, the sender included. */
const framesPerMessage = 1 + senders;
const floorIs = "raw uWebSockets.js echo on as many sockets, all sending: compared by frames that the server sends";

const roles: readonly Role[] = Array.from({ length: senders }, (_, index) => ({
  userId: `member-${index}`,
  answersOf: index,
  deliveriesOf: undefined,
}));

/** All members write into the same conversation at once: one stream, one order, no conflict that a client would see. */
export const hotGroup: Scenario = {
  name: "hot-group",
  summary: `${senders} senders into one group of ${senders}; windows ${windows.join(" and ")}`,
  run: (context) =>
    withServers(context, async (server, floored) => {
      const participantIds = roles.slice(1).map(({ userId }) => userId);
      const id = conversationIdOf(await server.post("member-0", "/groups", { name: "hot", participantIds }));
      const rows: Row[] = [];
      for (const window of windows) {
        context.say(`hot-group: window ${window}`);
        const { figures, floor } = await floored(
          { sockets: senders, senders, pace: { window }, frame: messageFrame(id) },
          () => measureHotGroup(context, server, id, window),
        );
        const framesPerSecond = figure(floor, "messagesPerSecond");
        rows.push(
          row({
            variant: `window ${window}`,
            figures,
            floors: { echo: { is: floorIs, figures: { framesPerSecond } } },
          }),
        );
      }
      return rows;
    }),
};

/** The loop waits for answers; that every copy reached every member is checked at the end of the run. */
const measureHotGroup = async (
  context: BenchContext,
  server: ParleyServer,
  conversationId: string,
  window: number,
): Promise<Figures> => {
  const templates = roles.map((_, index) => frameTemplate(messageFrame(conversationId, `-w${window}-${index}`)));
  const chat = await openChat(server, roles, () => loop);
  const loop = createClosedLoop({
    senders,
    window,
    receivers: 0,
    send: (sender, number) => {
      const template = templates[sender];
      if (template !== undefined) chat.group.at(sender).post(template, number);
    },
  });
  const target = { processes: [server], views: viewsOf(server.url, server) };
  try {
    const figures = await measureLoop(loop, chat.group, target, timesOf(context));
    await awaitOwnCopies(chat, () => loop.counts().sent * senders, 15_000);
    return { ...figures, framesPerSecond: figure(figures, "messagesPerSecond") * framesPerMessage };
  } finally {
    loop.stop();
    chat.group.close();
  }
};
