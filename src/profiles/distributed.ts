import { within } from "../lib/time.js";
import { createLogger, createTelemetry } from "../infra/telemetry.js";
import type { Logger } from "../gateway/ports.js";
import { publishErasure } from "../infra/bus/nats/erasures.js";
import { closeMsMax, type App } from "./app.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { startGatewayRole, type ProcessParts } from "./distributed-gateway.js";
import { startProjectorRole } from "./distributed-projector.js";
import { damagedContent } from "./damaged-content.js";
import { closeAll, closedAfter, type Closers } from "./close-all.js";
import { createProblems, openEngines, type Engines } from "./engines.js";
import { reapplyInEngines } from "./erasure/distributed.js";
import { serveHealth } from "./health-server.js";
import { warnOfMissingKeys } from "./missing-keys.js";
import { engineReadiness } from "./readiness.js";
import { checkS3AtStart } from "./s3-start.js";
import { createStartWait, type StartWait } from "./start-wait.js";
import { serveStarting } from "./starting-pages.js";
import { textCipherFor } from "./text-cipher.js";
import { warnOfOldNames } from "../settings/cell.js";
import { warnOfStrayVariables } from "../settings/stray-variables.js";

/**
 * One process of many, over EventStoreDB, MongoDB, NATS and Redis. What is opened later is closed first. `stop` ends it
 * while it waits for its engines; later, the answer's `stop` does.
 *
 * @throws whatever keeps a part from opening, with the engine's name; what was opened is closed again.
 */
export const startDistributed = async (config: DistributedConfig, version: string, stop: AbortSignal): Promise<App> => {
  const closers: Closers = [];
  const close = (): Promise<void> => {
    const until = performance.now() + closeMsMax;
    const inItsTime = (closing: Promise<void>) =>
      within(closing, Math.max(closeMsMin, until - performance.now()), () => undefined);
    return closeAll(closers, inItsTime);
  };
  try {
    const url = await open(config, version, stop, closers);
    let stopping: Promise<void> | undefined;
    // Engines that are away come back; there is nothing here that cannot go on.
    return { url, stop: () => (stopping ??= close()), failed: new Promise(() => undefined) };
  } catch (error) {
    throw await closedAfter(error, close);
  }
};

/**
 * A part that waits for an engine that is away is left behind: what was acknowledged is durable, and what was not written
 * or delivered yet is done again from the checkpoint. `closeMsMax` is for all parts together, this for each at least.
 */
const closeMsMin = 250;

const open = async (
  config: DistributedConfig,
  version: string,
  stop: AbortSignal,
  closers: Closers,
): Promise<string> => {
  const logger = createLogger(config.logLevel);
  logger.info({ version, role: config.role, processId: config.processId }, "Parley starts");
  warnOfStrayVariables("distributed", logger);
  warnOfOldNames(config.oldNames, logger);
  const telemetry = createTelemetry(version);
  const problem = createProblems(logger, telemetry);
  const wait = createStartWait({ config, logger, stop });
  // Orchestrators see that it lives and waits; before the engines, so that a taken port is said at once.
  const starting = await serveStarting(config, { version, problems: wait.problems });
  closers.push(starting.close);
  const cipher = await textCipherFor(config, logger);
  const engines = await openEngines(
    config,
    { telemetry, cipher, problem, onDamaged: damagedContent(logger, telemetry), wait },
    closers,
  );
  await eraseAgain(engines, config.cell, wait, logger);
  // An engine that cannot be asked now says so by itself.
  void warnOfMissingKeys(engines.log, engines.keys, logger).catch(() => undefined);
  checkS3AtStart(config, logger);
  const parts: ProcessParts = {
    ...{ config, engines, logger, telemetry },
    onRegistryFailure: problem("redis"),
    freePort: starting.close,
    onLogFailure: problem("eventstore"),
    onViewsProblem: problem("mongodb"),
  };
  if (config.role === "gateway") return startGatewayRole(parts, closers);
  const projector = startProjectorRole(parts, closers);
  if (config.role === "all") return startGatewayRole({ ...parts, projectorProblem: projector.problem }, closers);
  const ready = engineReadiness(engines);
  await parts.freePort();
  const health = await serveHealth(config, {
    readiness: async () => {
      const { ready: isReady, problems } = await ready();
      const stopped = projector.problem();
      if (stopped === undefined) return { ready: isReady, problems };
      // Nothing is accepted here: projecting is all that could be ready.
      return { ready: false, problems: { ...problems, projector: stopped } };
    },
    version,
    isDraining: () => false,
    metricsText: telemetry.metricsText,
  });
  closers.push(health.close);
  return health.url;
};

/** Before anything is served: engines that were restored bring nobody back. */
const eraseAgain = async (
  { erasing, nats }: Pick<Engines, "erasing" | "nats">,
  cell: string,
  wait: Pick<StartWait, "until">,
  logger: Logger,
): Promise<void> => {
  const { again, uncertified } = await wait.until("erasures", () => reapplyInEngines(erasing));
  for (const userId of again) publishErasure(nats, cell, userId);
  if (again.length > 0)
    logger.warn(
      { users: again.length },
      "users whom the erasure ledger names were erased again: the engines are of before",
    );
  if (uncertified.length > 0)
    logger.warn(
      { users: uncertified.slice(0, usersSaid), of: uncertified.length },
      "erasures have no certificate yet: parley user erase USER --reason TEXT writes it",
    );
};

/** In a line of the log. */
const usersSaid = 10;
