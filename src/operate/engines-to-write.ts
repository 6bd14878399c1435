/** The distributed profile's part of `openToWrite`. */
import { openNats } from "../infra/engines/nats.js";
import { openRedis } from "../infra/engines/redis.js";
import type { Mongo } from "../infra/engines/mongodb/connection.js";
import type { EventStoreDbLog } from "../infra/event-log/eventstoredb/event-log.js";
import { natsBusLimits } from "../infra/bus/nats/limits.js";
import { listenForLivingGateways } from "../infra/bus/nats/sending/living-gateways.js";
import { subjectsOf } from "../infra/bus/nats/subjects.js";
import { reasonOf } from "../lib/errors.js";
import { pause, within } from "../lib/time.js";
import { closeAll, closedAfter, type Closers } from "../profiles/close-all.js";
import { cellPrefix } from "../profiles/engines.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { closeQuietly, probeMsMax } from "./doctor/probe.js";
import { readLeases } from "./inspect/distributed.js";
import { openDatabase, openLogOfEngines } from "./open-engines.js";
import type { OrderedLog } from "./transfer/append.js";
import type { OpenedToWrite, WriteOptions } from "./target.js";

export const openEnginesToWrite = async (
  config: DistributedConfig,
  { unchecked }: WriteOptions,
): Promise<OpenedToWrite> => {
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    const log = await openLogOfEngines(config, closers);
    const { db } = await openDatabase(config, closers);
    await refuseRunning(config, unchecked === true);
    return { log, ordered: orderedIn(log), forgetDerived: () => forgetDerivedIn(db), close };
  } catch (error) {
    throw await closedAfter(error, close);
  }
};

/** A window that the store answers well within the time-out of its last append, on a slow disk too. */
const orderedIn = ({ openOrderedAppends }: EventStoreDbLog): OrderedLog => ({
  open: openOrderedAppends,
  atOnce: { events: 512, bytes: 2 * 1024 * 1024 },
  attemptsMax: 10,
});

/** Processes of the cell that run and would go on with what they know. */
export class StillRunning extends Error {
  constructor(processes: readonly string[]) {
    super(
      `these processes of the cell still run: ${processes.join(", ")}. Stop every gateway and projector, wait ten seconds, and try again`,
    );
    this.name = "StillRunning";
  }
}

/**
 * Projectors are known by their leases in Redis, gateways by their answer to NATS' roll call.
 * @throws (rejects) StillRunning; Error when one of the two does not say, unless that is `unchecked`
 */
const refuseRunning = async (config: DistributedConfig, unchecked: boolean): Promise<void> => {
  const asked = await Promise.allSettled([
    named("PARLEY_REDIS_URL", projectorsOf(config)),
    named("PARLEY_NATS_URL", gatewaysOf(config)),
  ]);
  const running = asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (running.length > 0) throw new StillRunning(running);
  const silent = asked.flatMap((answer) => (answer.status === "rejected" ? [reasonOf(answer.reason)] : []));
  if (silent.length > 0 && !unchecked)
    throw new Error(
      `whether processes of the cell still run is not known: ${silent.join("; ")}. Start it, or give --unchecked when you have stopped them all yourself`,
    );
};

const named = async <A>(variable: string, asked: Promise<A>): Promise<A> => {
  try {
    return await within(asked, probeMsMax);
  } catch (error) {
    throw new Error(`${variable}: ${reasonOf(error)}`, { cause: error });
  }
};

const projectorsOf = async (config: DistributedConfig): Promise<readonly string[]> => {
  const opened = await openRedis({ url: config.redisUrl, onProblem: () => undefined });
  try {
    await opened.ping();
    return (await readLeases(opened, cellPrefix(config.cell))).holders;
  } finally {
    await closeQuietly([opened.close]);
  }
};

/** So long an answer to the roll call is waited for; a gateway that is well says what it is every two seconds anyway. */
const rollCallMs = natsBusLimits.heartbeatMs + 500;

const gatewaysOf = async (config: DistributedConfig): Promise<readonly string[]> => {
  const nats = openNats({ url: config.natsUrl, name: "parley", onProblem: () => undefined });
  try {
    await nats.connection;
    const living = listenForLivingGateways({
      nats,
      subjects: subjectsOf(config.cell),
      limits: natsBusLimits,
      onHeartbeat: () => undefined,
      onProblem: () => undefined,
    });
    await pause(rollCallMs);
    living.stop();
    return living.gateways();
  } finally {
    await closeQuietly([nats.close]);
  }
};

/** The views with their checkpoints, of whatever generation, and the snapshots. What else lies there stays, the keys above all. */
const forgetDerivedIn = async (db: Mongo["db"]): Promise<void> => {
  const collections = await db.listCollections({}, { nameOnly: true }).toArray();
  for (const { name } of collections) if (/^views|^snapshot(s|_)/.test(name)) await db.dropCollection(name);
};
