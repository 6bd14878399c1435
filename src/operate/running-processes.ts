/** Which processes of a cell of the distributed profile run. */
import { openNats } from "../infra/engines/nats.js";
import { openRedis } from "../infra/engines/redis.js";
import { natsBusLimits } from "../infra/bus/nats/limits.js";
import { listenForLivingGateways } from "../infra/bus/nats/sending/living-gateways.js";
import { subjectsOf } from "../infra/bus/nats/subjects.js";
import { reasonOf } from "../lib/errors.js";
import { pause, within } from "../lib/time.js";
import { cellPrefix } from "../profiles/engines.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { closeQuietly, probeMsMax } from "./doctor/probe.js";
import { readLeases } from "./inspect/distributed.js";

export type RunningProcesses = {
  readonly running: readonly string[];
  /** Which engine did not say, and why. */
  readonly silent: readonly string[];
};

/** Projectors are known by their leases in Redis, gateways by their answer to NATS' roll call. Never rejects. */
export const runningProcesses = async (config: DistributedConfig): Promise<RunningProcesses> => {
  const asked = await Promise.allSettled([
    named("PARLEY_REDIS_URL", projectorsOf(config)),
    named("PARLEY_NATS_URL", gatewaysOf(config)),
  ]);
  return {
    running: [...new Set(asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : [])))],
    silent: asked.flatMap((answer) => (answer.status === "rejected" ? [reasonOf(answer.reason)] : [])),
  };
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
