import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { limits } from "../../src/domain/kernel/limits.js";
import { conversationsIn, readLog } from "../kit/history.js";
import { randomFrom } from "../kit/random.js";
import { seed } from "../kit/seed.js";
import { startServer } from "../kit/server.js";
import {
  checkChanges,
  checkDeletions,
  checkInboxes,
  checkMessages,
  checkUnread,
  checkViews,
  truthOf,
  viewsOf,
  type Truth,
} from "./checks.js";
import { startLoad, type Acknowledged, type Answered } from "./load.js";
import {
  connectAll,
  everybodyIsUpToDate,
  headsOf,
  makeConversations,
  retriesAnswerTheFirstAcceptance,
  servedToEverybody,
  unreadInClients,
} from "./people.js";
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
        const devices = await connectAll(() => server, tap, { count: clientsCount, prefix: "user-" });
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
        await everybodyIsUpToDate(devices, headsOf(acknowledged));
        const retried = await retriesAnswerTheFirstAcceptance(devices, acknowledged, answered, random);
        const views = viewsOf(devices);
        const unreadOfClients = unreadInClients(devices);
        for (const { client } of devices) client.close();
        expect(await server.terminate()).toBe(0);
        const log = conversationsIn(await readLog(server.dataDir));
        const truth = await truthOf(server.dataDir, log);
        checkMessages(log, work);
        checkChanges(log, truth, answered);
        checkViews(truth, views);
        // Asked of a server that has read its own log: the clients' last cursors are in it by now.
        await server.start();
        const served = await servedToEverybody(() => server, tap, devices);
        for (const { views: shown } of served) checkViews(truth, shown);
        checkInboxes(log, truth, served);
        checkDeletions(truth, answered, served, tap);
        checkUnread(log, unreadOfClients);
        report({ acknowledged, answered, retried, truth, tap, startedAt });
      } finally {
        await server.dispose();
      }
    },
  );
});

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
