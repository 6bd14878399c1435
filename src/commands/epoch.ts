import { decodeEvent, encodeEvent } from "../domain/catalogue.js";
import { streamOf } from "../domain/kernel/stream.js";
import type { Clock, EventLog, Ids } from "./ports.js";

/**
 * The incarnation of the log: of the newest LogStarted, which the very first start writes. Whatever a client or a
 * checkpoint brings from another epoch is not trusted.
 */
export const openEpoch = async (log: EventLog, clock: Clock, ids: Ids): Promise<string> => {
  const known = await newestEpoch(log);
  if (known !== undefined) return known;
  const by = { userId: "parley", deviceId: "parley" };
  const started = encodeEvent(
    { type: "LogStarted", id: ids.uuid(), at: clock(), by, epoch: ids.uuid() },
    { commandId: ids.uuid(), correlationId: ids.uuid() },
  );
  // Another process may be first: then its epoch counts.
  await log.append(streamOf.log, "no_stream", [started]);
  const epoch = await newestEpoch(log);
  if (epoch === undefined) throw new Error("the log has no epoch after one was written");
  return epoch;
};

/** Undefined when the log has none yet. Rejects when that event is damaged. */
export const newestEpoch = async (log: Pick<EventLog, "readStream">): Promise<string | undefined> => {
  const [newest] = await log.readStream(streamOf.log, -1, 1, "backwards");
  if (newest === undefined) return undefined;
  const event = decodeEvent(newest);
  return event.type === "LogStarted" ? event.epoch : undefined;
};
