import { existsSync } from "node:fs";
import type { EventLog, KeyStore } from "../commands/ports.js";
import { sealedFieldsOf } from "../commands/sealing/sealed-fields.js";
import { freshIncarnation, incarnationOf } from "../commands/sealing/sealing.js";
import { noPosition, type RecordedEvent } from "../domain/kernel/stream.js";
import type { Logger } from "../gateway/ports.js";

type Log = Pick<EventLog, "readAll" | "head">;

/** Of the events that are looked at, newest or oldest: some milliseconds of reading. */
const sampleEventsMax = 1_000;

/**
 * A key file that is not there is made, which is right for a new log alone: of any other it would hide that what people
 * wrote cannot be read any more.
 * @throws Error when the log has sealed content
 */
export const refuseWithoutKeys = async (path: string, log: Log): Promise<void> => {
  if (existsSync(path)) return;
  const [newest, oldest] = [
    await log.readAll(undefined, sampleEventsMax, "backwards"),
    await log.readAll(noPosition, sampleEventsMax),
  ];
  if (keyIdsIn([...newest, ...oldest]).size === 0) return;
  throw new Error(
    `${path} is missing though the log has ${await log.head()} events, and content that only its keys open: restore it from ` +
      `its backup. To go on without what was sealed until now, make an empty one: touch ${path}`,
  );
};

/** Says when keys of the newest sealed content are not there: a backup of keys that is older than the log. */
export const warnOfMissingKeys = async (log: Log, keys: KeyStore, logger: Logger): Promise<number> => {
  const ids = [...keyIdsIn(await log.readAll(undefined, sampleEventsMax, "backwards"))];
  // One that cannot be opened is as good as none.
  const found = await Promise.all(ids.map((id) => keys.find(id).catch(() => undefined)));
  const missing = found.filter((key) => key === undefined).length;
  if (missing > 0)
    logger.warn(
      { keys: ids.length, missing },
      "keys of the newest sealed content are missing, and it shows as deleted. In order where users were erased; else restore the keys' newest backup",
    );
  return missing;
};

/** A store that lost keys of its incarnation must not make others with their names: each start takes names of its own. */
export const incarnationFor = async (log: Log, keys: KeyStore, logger: Logger): Promise<string> =>
  (await warnOfMissingKeys(log, keys, logger)) === 0 ? incarnationOf(keys) : freshIncarnation();

const keyIdsIn = (events: readonly RecordedEvent[]): ReadonlySet<string> =>
  new Set(
    events
      .flatMap(sealedFieldsOf)
      .filter(({ sealed }) => sealed.alg !== "none")
      .map(({ sealed }) => sealed.keyId),
  );
