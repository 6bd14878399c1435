/** Load on a cluster with engines of its own, one fault in the middle of it, and the checker of the crash test afterwards. */
import { expect } from "vitest";
import type { InboxPage } from "../../../client/index.js";
import { startCluster, type Cluster } from "../../kit/cluster.js";
import { eventually } from "../../kit/device.js";
import { conversationsIn, readLog } from "../../kit/history.js";
import { startOwnServers, type OwnServers, type ServerName } from "../../kit/own-servers.js";
import type { Random } from "../../kit/random.js";
import {
  checkChanges,
  checkDeletions,
  checkInboxes,
  checkMessages,
  checkReceipts,
  checkTicks,
  checkUnread,
  checkViews,
  truthOf,
  viewsOf,
  type Receipts,
} from "../../crash/checks.js";
import { startLoad, type Acknowledged, type Conversations, type Device, type Work } from "../../crash/load.js";
import {
  connectAll,
  everybodyIsUpToDate,
  makeConversations,
  retriesAnswerTheFirstAcceptance,
  servedToEverybody,
  unreadInClients,
  type Doors,
} from "../../crash/people.js";
import { createTap, type Tap } from "../../crash/tap.js";
import { sample } from "./metrics.js";

export const faultyServers = ["redis", "nats", "mongodb", "eventstore"] as const satisfies readonly ServerName[];

/** What faults are done to. */
export type Stage = {
  readonly servers: OwnServers;
  readonly cluster: Cluster;
  /** What a failed test has left dead lives again. */
  readonly heal: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Two gateways and two projectors on engines that no other test uses. @throws Error when one of them does not start */
export const openStage = async (): Promise<Stage> => {
  const servers = await startOwnServers(...faultyServers);
  try {
    const cluster = await startCluster({
      ...{ gateways: 2, projectors: 2, environment: servers.env },
      // What is away says so in the log of every process; here that is the test's doing.
      flags: process.env.PARLEY_FAULTS_LOG === undefined ? ["--log-level", "error"] : [],
    });
    return {
      servers,
      cluster,
      heal: async () => {
        for (const name of faultyServers) {
          await servers.startAgain(name);
          servers.resume(name);
        }
        for (const { process, resume, start } of cluster.processes) {
          const { exitCode, signalCode } = process();
          if (exitCode !== null || signalCode !== null) await start();
          else resume();
        }
      },
      close: async () => {
        await cluster.dispose();
        await servers.stop();
      },
    };
  } catch (error) {
    await servers.stop();
    throw error;
  }
};

/** While the load goes on. */
export type Scene = {
  readonly devices: readonly Device[];
  readonly tap: Tap;
  /** Grows. */
  readonly acknowledged: readonly Acknowledged[];
};

/** Neighbours are pairs: the first two come to one gateway, the next two to the other, all others' partner is elsewhere. */
export const gatewayOf = (i: number): number => (i < 4 ? i >> 1 : i % 2);

const devicesCount = 8;
/** Far more than anything takes; a bound for tests that fail. */
export const longMs = 60_000;

/**
 * Runs the fault under load, then checks that nothing acknowledged was lost or doubled and that log, clients, history,
 * sync and inbox agree, without anybody's doing anything more. Answers what was done.
 */
export const underLoad = async (
  { cluster }: Pick<Stage, "cluster">,
  { name, random }: { readonly name: string; readonly random: Random },
  fault: (scene: Scene) => Promise<void>,
): Promise<Work> => {
  const startedAt = performance.now();
  const tap = createTap();
  const prefix = cluster.user(`${name}-`);
  const doorOf: Doors = (userId) => cluster.door(gatewayOf(Number(userId.slice(prefix.length))));
  const devices = await connectAll(doorOf, tap, { count: devicesCount, prefix });
  try {
    const conversations = await makeConversations(devices);
    const load = startLoad(devices, conversations, random, { pauseMsMax: 300, lastWords: false });
    const { acknowledged } = load;
    await everybodySays(devices, acknowledged, startedAt);
    await everybodyReacts(conversations, acknowledged);
    const faultAt = performance.now();
    await fault({ devices, tap, acknowledged });
    const overAt = performance.now();
    await everybodySays(devices, acknowledged, overAt);
    const work = await load.finish();
    const settledIn = await check(cluster, { work, devices, doorOf, tap, random, ids: new Set(conversations.keys()) });
    report(name, work, { startedAt, faultAt, overAt, settledIn });
    return work;
  } finally {
    for (const { client } of devices) client.close();
  }
};

/** Each device has an answer to what it sent since. */
const everybodySays = (
  devices: readonly Device[],
  acknowledged: readonly Acknowledged[],
  since: number,
): Promise<void> =>
  eventually(
    () => {
      const heard = new Set(acknowledged.filter(({ sentAt }) => sentAt > since).map(({ userId }) => userId));
      return devices.every(({ userId }) => heard.has(userId));
    },
    "everybody's messages are acknowledged",
    longMs,
  );

/**
 * So each gateway has the keys that its users' reactions need: a first reaction cannot be accepted while no key can be
 * made, as a first message cannot. The emoji is none of the load's.
 */
const everybodyReacts = async (conversations: Conversations, acknowledged: readonly Acknowledged[]): Promise<void> => {
  const messageIn = (conversationId: string): string | undefined =>
    acknowledged.find(({ ack }) => ack.conversationId === conversationId)?.ack.messageId;
  for (const [conversationId, { members }] of conversations) {
    await eventually(() => messageIn(conversationId) !== undefined, "something is said in each conversation", longMs);
    const messageId = messageIn(conversationId) ?? "";
    await Promise.all(
      members.map(({ client }) =>
        client.react(conversationId, messageId, "🔑").catch((error: unknown) => {
          // The load may have deleted it: the keys were needed to see that.
          if ((error as { code?: unknown }).code !== "MESSAGE_NOT_FOUND") throw error;
        }),
      ),
    );
  }
};

type Told = {
  readonly work: Work;
  readonly devices: readonly Device[];
  readonly doorOf: Doors;
  readonly tap: Tap;
  readonly random: Random;
  readonly ids: ReadonlySet<string>;
};

/** Milliseconds until every device knew everything. */
const check = async (cluster: Cluster, { work, devices, doorOf, tap, random, ids }: Told): Promise<number> => {
  const { acknowledged, answered } = work;
  // Nothing that they do can be refused for what others do at the same time; the client would have hidden it by a retry.
  expect(tap.told("CONFLICT")).toBe(0);
  const all = conversationsIn(await readLog(cluster.source));
  const log = new Map([...all].filter(([conversationId]) => ids.has(conversationId)));
  expect(log.size).toBe(ids.size);
  checkMessages(log, work);
  const startedAt = performance.now();
  const heads = new Map([...log].map(([conversationId, { events }]) => [conversationId, events.length - 1]));
  await everybodyIsUpToDate(devices, heads, longMs);
  const settledIn = performance.now() - startedAt;
  await viewsAreUpToDate(cluster);
  await retriesAnswerTheFirstAcceptance(devices, acknowledged, answered, random);
  const truth = await truthOf(cluster.source, log);
  checkChanges(log, truth, answered);
  checkViews(truth, viewsOf(devices));
  await eventuallyPasses(() => {
    checkUnread(log, unreadInClients(devices));
  });
  const served = await servedToEverybody(doorOf, tap, devices);
  for (const { views } of served) checkViews(truth, views);
  checkInboxes(log, truth, served);
  checkDeletions(truth, answered, served, tap);
  await receiptsAgree(cluster, ids, devices, acknowledged);
  return settledIn;
};

/** Devices report deliveries by themselves, a moment after they have a message: compared until nothing moves any more. */
const receiptsAgree = (
  { source }: Cluster,
  ids: ReadonlySet<string>,
  devices: readonly Device[],
  acknowledged: readonly Acknowledged[],
): Promise<void> =>
  eventuallyPasses(async () => {
    const all = conversationsIn(await readLog(source));
    const log = new Map([...all].filter(([conversationId]) => ids.has(conversationId)));
    for (const { userId, client } of devices) {
      const inbox = (await client.call("GET", "/conversations?limit=200")) as InboxPage;
      checkTicks(log, userId, inbox.conversations);
      const own = acknowledged.filter((one) => one.userId === userId);
      for (const one of [own.at(0), own.at(own.length >> 1), own.at(-1)].flatMap((one) => one ?? [])) {
        const path = `/conversations/${one.conversationId}/messages/${one.ack.messageId}/receipts`;
        checkReceipts(log, one, (await client.call("GET", path)) as Receipts);
      }
    }
  });

export const viewsAreUpToDate = ({ gateways }: Cluster): Promise<void> =>
  eventually(
    async () => {
      const lag = 'parley_projection_lag_events{projection="views"}';
      const lags = await Promise.all(gateways.map((one) => sample(one, lag)));
      return lags.every((behind) => behind === 0);
    },
    "the views are at the log's head",
    longMs,
  );

/** A check that becomes true by itself; the last failure is told. */
export const eventuallyPasses = async (checked: () => void | Promise<void>): Promise<void> => {
  let failure: unknown;
  const passes = async (): Promise<boolean> => {
    try {
      await checked();
      return true;
    } catch (error) {
      failure = error;
      return false;
    }
  };
  await eventually(passes, "a check passes", longMs / 2).catch((error: unknown) => {
    throw failure ?? error;
  });
};

const report = (
  name: string,
  { acknowledged, answered }: Work,
  at: { readonly startedAt: number; readonly faultAt: number; readonly overAt: number; readonly settledIn: number },
): void => {
  const during = acknowledged.filter(({ sentAt, acknowledgedAt }) => sentAt > at.faultAt && acknowledgedAt < at.overAt);
  const figures = {
    messages: acknowledged.length,
    sentAndAcknowledgedInFault: during.length,
    duplicatesOfOutboxes: acknowledged.filter(({ ack }) => ack.duplicate).length,
    changes: answered.length,
    changesRepeated: answered.filter(({ attempts }) => attempts > 1).length,
    faultSeconds: seconds(at.overAt - at.faultAt),
    settledSeconds: seconds(at.settledIn),
    seconds: seconds(performance.now() - at.startedAt),
  };
  process.stdout.write(`fault ${name}: ${JSON.stringify(figures)}\n`);
};

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
