import { bySystem } from "../domain/kernel/by.js";
import type { By } from "../domain/kernel/by.js";
import type { LogCause, LogStarted, PreviousLog } from "../domain/log.events.js";
import { decodeEvent, encodeEvent } from "../domain/catalogue.js";
import { noPosition, noRevision, streamOf } from "../domain/kernel/stream.js";
import type { Clock, EventLog, Ids } from "./ports.js";

/**
 * The incarnation of the log: of the newest LogStarted, which the very first start writes. Whatever a client or a
 * checkpoint brings from another epoch is not trusted.
 *
 * @throws (rejects) ImportUnfinished
 */
export const openEpoch = async (log: EventLog, home: string, clock: Clock, ids: Ids): Promise<string> => {
  const known = await newestStart(log);
  if (known?.cause === "importing") throw new ImportUnfinished();
  if (known !== undefined) return known.epoch;
  const first = encodeEvent(
    { type: "LogStarted", id: ids.uuid(), at: clock(), by: bySystem, epoch: ids.uuid(), home },
    { commandId: ids.uuid(), correlationId: ids.uuid() },
  );
  // Another process may be first: then its epoch counts.
  await log.append(streamOf.log, "no_stream", [first]);
  const started = await newestStart(log);
  if (started === undefined) throw new Error("the log has no epoch after one was written");
  return started.epoch;
};

/** Such a log holds a part of the past, and would go on from there as if it were the whole. */
export class ImportUnfinished extends Error {
  constructor() {
    super("an import into this log has not ended: run parley events import with the same file again, which goes on");
    this.name = "ImportUnfinished";
  }
}

export type NewEpoch = {
  readonly home?: string | undefined;
  readonly cause: LogCause;
  readonly reason?: string | undefined;
  readonly previous?: PreviousLog;
  readonly by: By;
};

/**
 * Begins another incarnation of the log, also as its first event. Nobody else may write the log meanwhile.
 * @returns the new epoch
 * @throws (rejects) Error when another process began one at the same moment
 */
export const beginEpoch = async (
  log: Pick<EventLog, "readStream" | "append">,
  { by, ...start }: NewEpoch,
  clock: Clock,
  ids: Ids,
): Promise<string> => {
  const [newest] = await log.readStream(streamOf.log, noRevision, 1, "backwards");
  const event = { type: "LogStarted", id: ids.uuid(), at: clock(), by, epoch: ids.uuid(), ...start } as const;
  const encoded = encodeEvent(event as LogStarted, { commandId: ids.uuid(), correlationId: ids.uuid() });
  const result = await log.append(streamOf.log, newest?.revision ?? "no_stream", [encoded]);
  if (result.kind === "conflict") throw new Error("another process has begun an epoch of this log just now");
  return event.epoch;
};

/** Undefined when the log has none yet. Rejects when that event is damaged. */
export const newestEpoch = async (log: Pick<EventLog, "readStream">): Promise<string | undefined> =>
  (await newestStart(log))?.epoch;

/** How far the cell is looked for in a log whose start does not tell it: the first user or conversation names it. */
const cellEventsMax = 1_000;

/** The cell whose log this is; undefined while nothing has named one. */
export const cellOfLog = async (log: Pick<EventLog, "readStream" | "readAll">): Promise<string | undefined> => {
  const started = await newestStart(log);
  if (started?.home !== undefined) return started.home;
  for (const { type, data } of await log.readAll(noPosition, cellEventsMax)) {
    if (type !== "UserRegistered" && type !== "ConversationStarted") continue;
    return (JSON.parse(data) as { readonly home: string }).home;
  }
  return undefined;
};

/** Names of a cell are for ever: users and conversations that were begun under another one would be strangers here. */
export class OtherCell extends Error {
  constructor(where: string, cell: string, given: string) {
    super(
      `${where} is of the cell ${cell}, and PARLEY_CELL (--cell) is ${given}: start with ${cell}, or name another place`,
    );
    this.name = "OtherCell";
  }
}

/** The newest incarnation's event; undefined when the log has none yet. Rejects when that event is damaged. */
export const newestStart = async (log: Pick<EventLog, "readStream">): Promise<LogStarted | undefined> => {
  const [newest] = await log.readStream(streamOf.log, noRevision, 1, "backwards");
  if (newest === undefined) return undefined;
  const event = decodeEvent(newest);
  return event.type === "LogStarted" ? event : undefined;
};
