import { readFile } from "node:fs/promises";
import type { EventStoreServer } from "../../eventstore-server/server.js";
import type { Logger } from "../../gateway/ports.js";
import type { SqliteLog } from "../../infra/event-log/sqlite/event-log.js";
import { isLoopback } from "../../infra/loopback.js";
import type { Config } from "../../settings/config.js";

/** The log for EventStoreDB's clients, where that is wanted. */
export const serveLog = async (
  { eventStorePort }: Config,
  log: SqliteLog,
  logger: Logger,
): Promise<EventStoreServer | undefined> => {
  if (eventStorePort === undefined) return undefined;
  const { tls, ...options } = eventStorePort;
  const onProblem = (error: Error): void => {
    logger.error({ err: error }, "a call to the log's EventStoreDB port ended unexpectedly");
  };
  if (tls === undefined && !isLoopback(options.host))
    logger.warn(
      { host: options.host, fix: "Set PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT" },
      "the log's EventStoreDB port speaks plain text beyond this machine: its token and what is read can be heard",
    );
  const pem = tls && { key: await readFile(tls.keyFile, "utf8"), cert: await readFile(tls.certFile, "utf8") };
  const served = { ...log, ...log.background };
  const { startEventStoreServer } = await import("../../eventstore-server/server.js");
  return startEventStoreServer({ ...options, ...(pem === undefined ? {} : { tls: pem }), log: served, onProblem });
};
