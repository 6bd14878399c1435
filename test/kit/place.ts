import { clusterEngines, startCluster } from "./cluster.js";
import { mayStartServers } from "./own-servers.js";
import { startServer, type Door, type ServerProcess } from "./server.js";

/** Where an acceptance suite takes place: one process, or two gateways and two projectors on engines. */
export type Place = Door & {
  /** All that clients come to. */
  readonly gateways: readonly ServerProcess[];
  /** kill -9 of all processes at once, then all start again. */
  readonly restart: () => Promise<void>;
  readonly dispose: () => Promise<void>;
};

/** Which one is said by the vitest project that runs the suite (vitest.config.ts). */
export const isDistributed = process.env.TEST_PLACE === "distributed";

/**
 * No engines, or engines of others: their log is shared by all tests, and the suites have names of their own in a new one.
 * @throws Error under CI when there are no engines
 */
export const isNowhere = isDistributed && !(clusterEngines() && mayStartServers);

/** A new one without users. @param flags of `parley serve`, for every process */
export const openPlace = (flags: readonly string[] = []): Promise<Place> => (isDistributed ? many(flags) : one(flags));

const one = async (flags: readonly string[]): Promise<Place> => {
  const server = await startServer(flags);
  return { ...server, gateways: [server], restart: restarting([server]) };
};

const many = async (flags: readonly string[]): Promise<Place> => {
  const cluster = await startCluster({ gateways: 2, projectors: 2, flags });
  const { gateways, processes, token, dispose } = cluster;
  return { url: (device = "") => cluster.urlFor(device), gateways, token, restart: restarting(processes), dispose };
};

const restarting = (processes: readonly ServerProcess[]) => async (): Promise<void> => {
  await Promise.all(processes.map(({ kill }) => kill()));
  await Promise.all(processes.map(({ start }) => start()));
};
