/** Which log an erasure ledger speaks of: user ids are no one's for ever, and another log's erasures would erase strangers. */
import type { EventLog } from "../../commands/ports.js";
import { decodeEvent } from "../../domain/catalogue.js";
import { streamOf } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";

/**
 * The epochs that a log has had: one for each restore and import, and those that they name as before.
 * @throws (rejects) what the log fails with
 */
export const epochsOf = async (log: Pick<EventLog, "readStream">): Promise<readonly string[]> => {
  const epochs = new Set<string>();
  for await (const recorded of streamEvents(log, streamOf.log)) {
    const event = decodeEvent(recorded);
    if (event.type !== "LogStarted") continue;
    epochs.add(event.epoch);
    if (typeof event.previous?.epoch === "string") epochs.add(event.previous.epoch);
  }
  return [...epochs];
};

/**
 * Whether what was written under these epochs is of the log that has had those: a restored log has its first ones, an
 * imported one says of which it is. What names none is of before they were written, and is taken for the log's own.
 */
export const isOfSameLog = (written: readonly string[] | undefined, epochs: readonly string[]): boolean =>
  written === undefined || written.some((epoch) => epochs.includes(epoch));
