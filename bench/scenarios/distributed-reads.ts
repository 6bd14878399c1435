import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";
import { openAsking, type Asking } from "../load/asking.js";
import { conversationIdOf } from "../load/chat.js";
import { createLatency } from "../load/latency.js";
import { named } from "../load/measure.js";
import { row, scaled, type BenchContext, type Figures, type Scenario } from "../scenario.js";
import { startCluster, type Cluster } from "../server/cluster.js";
import { enginesOf } from "../server/engines.js";
import { enginesIn } from "./distributed.js";

const perSecond = 400;
/** Each sends in turn and waits for its acknowledgement: as many as keep the rate when one takes a tenth of a second. */
const senders = 80;
const messages = 300;
const floorIs = "the same reads while nobody sends";

/** How long one device waits for a conversation's newest change, for a full page and for a page of history. */
export const distributedReads: Scenario = {
  name: "distributed-reads",
  summary: `sync and history of one conversation, idle and beside ${perSecond} messages/s; needs engines`,
  run: async (context) => {
    const engines = enginesIn(process.env);
    if ("missing" in engines)
      return { skipped: `not set: ${engines.missing.join(", ")}. eval "$(scripts/servers start)" starts and sets all` };
    const run = randomBytes(5).toString("hex");
    const database = `parley-bench-${run}`;
    const settings = { ...engines.settings, PARLEY_MONGODB_DATABASE: database, PARLEY_CELL: `bench-${run}` };
    const cluster = await startCluster(context, { gateways: 1, projectors: 1, settings });
    try {
      const [idle, busy] = await measure(context, cluster, run);
      const common = { engines: await enginesOf(engines.settings), floors: { idle: { is: floorIs, figures: idle } } };
      return [
        row({ ...common, variant: "idle", figures: idle }),
        row({ ...common, variant: `beside ${scaled(context, perSecond)} messages/s`, figures: busy }),
      ];
    } finally {
      await cluster.stop();
      const mongo = await openMongo({ url: engines.settings.PARLEY_MONGODB_URL, database });
      await mongo.db.dropDatabase().finally(mongo.close);
    }
  },
};

const measure = async (context: BenchContext, cluster: Cluster, run: string): Promise<readonly [Figures, Figures]> => {
  const reader = `reader-${run}`;
  const start = (user: string, peer: string) =>
    cluster.post(user, "/conversations", { type: "direct", participantIds: [peer] }).then(conversationIdOf);
  const id = await start(`writer-${run}`, reader);
  const open = (user: string): Promise<Asking> => openAsking({ ...cluster, url: cluster.urls[0] }, user);
  const writer = await open(`writer-${run}`);
  for (let count = 0; count < messages; count++) await writer.ask("message.send", messageTo(id, count));
  const device = await open(reader);
  const idle = await readAgainAndAgain(context, cluster, device, reader, id);
  const all = await Promise.all(
    Array.from({ length: senders }, async (_, index) => ({
      asking: await open(`sender-${index}-${run}`),
      to: await start(`sender-${index}-${run}`, `receiver-${index}-${run}`),
    })),
  );
  const load = sendSteadily(all, scaled(context, perSecond));
  try {
    await sleep(3_000);
    const before = load.sent();
    const from = performance.now();
    const busy = await readAgainAndAgain(context, cluster, device, reader, id);
    const rate = ((load.sent() - before) / (performance.now() - from)) * 1_000;
    return [idle, { ...busy, messagesPerSecond: rate }];
  } finally {
    await load.stop();
    for (const { asking } of [...all, { asking: device }, { asking: writer }]) asking.close();
  }
};

const messageTo = (conversationId: string, count: number) => ({
  ...{ conversationId, clientMessageId: `c${count}-${randomBytes(6).toString("hex")}` },
  content: { type: "text", text: "x".repeat(200) },
});

type Sender = { readonly asking: Asking; readonly to: string };

const sendSteadily = (all: readonly Sender[], rate: number) => {
  let [sent, stopped] = [0, false];
  const everyMs = (1_000 * all.length) / rate;
  const one = async ({ asking, to }: Sender, index: number): Promise<void> => {
    let due = performance.now() + (index * everyMs) / all.length;
    for (let count = 0; !stopped; count++) {
      await sleep(Math.max(0, due - performance.now()));
      await asking.ask("message.send", messageTo(to, count));
      sent += 1;
      due = Math.max(due + everyMs, performance.now() - everyMs);
    }
  };
  const loops = Promise.all(all.map(one));
  return {
    sent: () => sent,
    stop: async () => {
      stopped = true;
      await loops;
    },
  };
};

const readAgainAndAgain = async (
  context: BenchContext,
  { urls: [url], token }: Cluster,
  device: Asking,
  userId: string,
  id: string,
): Promise<Figures> => {
  const headers = { authorization: `Bearer ${token(userId)}` };
  const history = async (): Promise<void> => {
    const answer = await fetch(new URL(`/api/v1/conversations/${id}/messages?limit=50`, url), { headers });
    if (!answer.ok) throw new Error(`history answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  };
  const sync = (pos: number, limit: number) => () => device.ask("sync", { cursors: { [id]: pos }, only: true, limit });
  return {
    ...(await timed("sync", context, sync(messages, 100))),
    ...(await timed("fullPage", context, sync(-1, 100))),
    ...(await timed("history", context, history)),
  };
};

const timed = async (name: string, context: BenchContext, read: () => Promise<unknown>): Promise<Figures> => {
  const latency = createLatency();
  let refused = 0;
  const end = performance.now() + context.seconds * 1_000;
  for (let start = performance.now(); start < end; start = performance.now()) {
    try {
      await read();
      latency.record(performance.now() - start);
    } catch (error) {
      // Two seconds were not enough for the views: told beside the figures, since a machine that is too small shows it so.
      if (!String(error).includes("UNAVAILABLE")) throw error;
      refused += 1;
    }
  }
  return { ...named(name, latency.percentiles()), [`${name}Measured`]: latency.count(), [`${name}Refused`]: refused };
};
