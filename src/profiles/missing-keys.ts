import { existsSync } from "node:fs";
import type { EventLog, KeyStore } from "../commands/ports.js";
import { erasedMarkOf, ownerOf } from "../domain/kernel/users-keys.js";
import { sealedFieldsOf } from "../commands/sealing/sealed-fields.js";
import { incarnationsOf, withAnother, type Incarnations } from "../commands/sealing/sealing.js";
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

/** Says when keys of the newest sealed content are not there: a backup of keys that is older than the log. Answers their ids. */
export const warnOfMissingKeys = async (log: Log, keys: KeyStore, logger: Logger): Promise<readonly string[]> => {
  const ids = [...keyIdsIn(await log.readAll(undefined, sampleEventsMax, "backwards"))];
  // One that cannot be opened is as good as none.
  const found = await Promise.all(ids.map((id) => keys.find(id).catch(() => undefined)));
  const gone = ids.filter((_, i) => found[i] === undefined);
  const missing = await withoutErased(gone, keys);
  if (missing.length > 0)
    logger.warn(
      { keys: ids.length, missing: missing.length },
      "keys of the newest sealed content are missing, and it shows as deleted: restore the keys' newest backup",
    );
  return missing;
};

/**
 * A store that lost keys must not make others with their names: it takes another incarnation, once for each that it lost
 * keys of. Under those before its newest it makes none anyhow; of a loss that is none of its own (its own were in what
 * was lost) it keeps a mark.
 */
export const incarnationsFor = async (log: Log, keys: KeyStore, logger: Logger): Promise<Incarnations> => {
  const known = await incarnationsOf(keys);
  const missing = await warnOfMissingKeys(log, keys, logger);
  const lost = [...new Set(missing.map(incarnationIn))].filter((of) => !known.slice(0, -1).includes(of));
  const marked = await Promise.all(lost.map((of) => keys.find(markOf(of))));
  if (marked.every((mark) => mark !== undefined)) return known;
  const incarnations = await withAnother(keys, known);
  // After it: a start that ends in between takes one more.
  await Promise.all(lost.map((of) => keys.obtain(markOf(of))));
  return incarnations;
};

/** What was destroyed is not lost: a mark in the store says so of its user. */
const withoutErased = async (ids: readonly string[], keys: Pick<KeyStore, "find">): Promise<readonly string[]> => {
  const owners = [...new Set(ids.map(ownerOf))].filter((owner) => owner !== undefined);
  const marks = await Promise.all(owners.map((owner) => keys.find(erasedMarkOf(owner)).catch(() => undefined)));
  const erased = new Set(owners.filter((_, i) => marks[i] !== undefined));
  return ids.filter((id) => {
    const owner = ownerOf(id);
    return owner === undefined || !erased.has(owner);
  });
};

/** A key among the keys, as the incarnations are. */
const markOf = (incarnation: string): string => `#lost/${incarnation}`;
/** What a key's id ends with. Ids of before incarnations end with a month, which no store makes any more. */
const incarnationIn = (keyId: string): string => keyId.slice(keyId.lastIndexOf("/") + 1);

const keyIdsIn = (events: readonly RecordedEvent[]): ReadonlySet<string> =>
  new Set(
    events
      .flatMap(sealedFieldsOf)
      .filter(({ sealed }) => sealed.alg !== "none")
      .map(({ sealed }) => sealed.keyId),
  );
