import { cellOfLog, newestEpoch } from "../../commands/epoch.js";
import { existsSync } from "node:fs";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import type { TextCipher } from "../../commands/ports.js";
import { sealedFieldsOf, type SealedField } from "../../commands/sealing/sealed-fields.js";
import { openingWith } from "../../commands/sealing/sealing.js";
import type { SqliteLogReader } from "../../infra/event-log/sqlite/file-reader.js";
import { NewerFormat, NotReadableHere } from "../../infra/engines/sqlite-file.js";
import { readGenerationList } from "../../infra/view-store/sqlite/generation-files.js";
import { filesOf, missingLogOf } from "../../profiles/data-directory.js";
import { reasonOf } from "../../lib/errors.js";
import { counted, type Check } from "./check.js";
import { openKeysOf, openLogOf } from "../inspect/stores.js";
import { buildAgain, viewsStanding, ViewsDamaged } from "../inspect/projections.js";

/** Newest events among which sealed content is looked for. */
const sampleEventsMax = 2_000;
const sampleMax = 20;
/** Events that views may be behind before the operator should know: about a second of a busy server. */
const lagEventsWarning = 10_000;

const restore = "Stop Parley, keep a copy of the directory, and restore its backup";

/** Its head, its epoch and its newest event; an integrity check would read all of it and is not for a running server. */
const checkLog = async (dir: string): Promise<Check> => {
  const name = "log";
  const { log: path } = filesOf(dir);
  const missing = missingLogOf(dir);
  if (missing !== undefined) return { name, state: "wrong", says: "it is missing", mend: missing };
  if (!existsSync(path)) return { name, state: "warning", says: `${path} is not there yet; the first start makes it` };
  try {
    return await withLog(dir, async (log) => {
      const [head, epoch, newest] = [await log.head(), await newestEpoch(log), await newestOf(log, 1)];
      const last = newest[0];
      if (epoch === undefined || last === undefined)
        return { name, state: "warning", says: "it is empty; the first start begins it" };
      return {
        name,
        state: "ok",
        says: `head ${head}, epoch ${epoch}, newest ${last.type} at ${last.stream}@${last.revision}${agoOf(last)}`,
      };
    });
  } catch (error) {
    // Neither says anything of the log itself.
    if (error instanceof NotReadableHere) return { name, state: "warning", says: "not looked at", mend: error.message };
    if (error instanceof NewerFormat) return { name, state: "wrong", says: error.message, mend: "Upgrade Parley" };
    return { name, state: "wrong", says: `it cannot be read: ${reasonOf(error)}`, mend: restore };
  }
};

/** The log, and what can only be judged by it. */
export const checkStores = async (
  dir: string,
  running: boolean,
  { cell, cipher }: { readonly cell: string; readonly cipher: TextCipher },
): Promise<readonly Check[]> => {
  const log = await checkLog(dir);
  const isRead = log.state === "ok" || !existsSync(filesOf(dir).log);
  if (isRead && missingLogOf(dir) === undefined)
    return [log, ...(await checkCell(dir, cell)), await checkKeys(dir, cipher), await checkViews(dir, running)];
  const without = (name: string): Check => ({ name, state: "warning", says: "not looked at: needs the log" });
  return [log, without("keys"), without("views")];
};

/** Opens a sample of the newest sealed content. Keys that are gone are wrong only if none opens anything. */
const checkKeys = async (dir: string, cipher: TextCipher): Promise<Check> => {
  const name = "keys";
  const { keys: path, log } = filesOf(dir);
  if (!existsSync(path) && !existsSync(log))
    return { name, state: "warning", says: `${path} is not there yet; the first start makes it` };
  try {
    const sealed = await withLog(dir, sampleOf);
    const keys = await openKeysOf(dir);
    try {
      const open = openingWith(keys, cipher);
      let opened = 0;
      for (const { context, sealed: text } of sealed) if ((await open(context, text)) !== null) opened += 1;
      return keysCheck({ keys: keys.count(), sealed: sealed.length, opened });
    } finally {
      keys.close();
    }
  } catch (error) {
    return { name, state: "wrong", says: `sealed content cannot be opened: ${reasonOf(error)}`, mend: keysMend };
  }
};

/** Said only where it is wrong: the configuration tells the name. */
const checkCell = async (dir: string, given: string): Promise<readonly Check[]> => {
  const cell = existsSync(filesOf(dir).log) ? await withLog(dir, cellOfLog) : undefined;
  return cell === undefined ? [] : otherCell(cell, given);
};

export const otherCell = (cell: string, given: string): readonly Check[] => {
  if (cell === given) return [];
  const says = `the data are of the cell ${cell}, and PARLEY_CELL is ${given}`;
  return [{ name: "cell", state: "wrong", says, mend: `Set PARLEY_CELL (--cell) to ${cell}: the name is for ever` }];
};

const keysMend = "Restore keys.db from a backup of the same time as the log: without it sealed content is lost";

const keysCheck = (found: { readonly keys: number; readonly sealed: number; readonly opened: number }): Check => {
  const name = "keys";
  const { keys, sealed, opened } = found;
  if (sealed === 0)
    return { name, state: "ok", says: `${counted(keys, "key")}; no sealed content among the newest events` };
  const says = `${counted(keys, "key")}; ${opened} of ${sealed} of the newest sealed texts open`;
  if (opened === sealed) return { name, state: "ok", says };
  if (opened === 0) return { name, state: "wrong", says, mend: keysMend };
  return { name, state: "warning", says, mend: "In order if their users were erased; else restore keys.db" };
};

const checkViews = async (dir: string, running: boolean): Promise<Check> => {
  const name = "views";
  const { log, views } = filesOf(dir);
  if (!existsSync(log) || !existsSync(views))
    return { name, state: "warning", says: `${views} is not there yet; the next start builds it from the log` };
  try {
    const { problem, position, head, lag } = await viewsStanding(dir);
    if (problem !== undefined) return { name, state: "wrong", says: "they do not fit the log", mend: problem };
    const says = `at ${position} of ${head}, ${lag} behind, same epoch${besides(dir)}`;
    if (lag <= lagEventsWarning) return { name, state: "ok", says };
    const mend = running
      ? "Watch them with parley projections status; if they stand still, the server's log says why"
      : "They catch up when Parley starts";
    return { name, state: "warning", says, mend };
  } catch (error) {
    const mend = buildAgain(dir);
    const reason = reasonOf(error instanceof ViewsDamaged ? error.cause : error);
    return { name, state: "wrong", says: `they cannot be read: ${reason}`, mend };
  }
};

/** What an operator may want to finish or delete. */
const besides = (dir: string): string => {
  const { live, beside } = readGenerationList(dir);
  if (live === 1 && beside.length === 0) return "";
  const others = beside.map(({ number, state }) => `, generation ${number} is ${state}`).join("");
  return `; generation ${live}${others}`;
};

const withLog = async <A>(dir: string, use: (log: SqliteLogReader) => Promise<A>): Promise<A> => {
  const log = openLogOf(dir);
  try {
    return await use(log);
  } finally {
    log.close();
  }
};

const newestOf = (log: SqliteLogReader, count: number): Promise<readonly RecordedEvent[]> =>
  log.readAll(undefined, count, "backwards");

/** Messages, names and whatever else is sealed. @throws (rejects) for what is not JSON: the log is damaged */
const sampleOf = async (log: SqliteLogReader): Promise<readonly SealedField[]> =>
  (await newestOf(log, sampleEventsMax))
    .flatMap((recorded) => {
      JSON.parse(recorded.data);
      return sealedFieldsOf(recorded);
    })
    .filter(({ sealed }) => sealed.alg !== "none")
    .slice(0, sampleMax);

const agoOf = ({ meta }: RecordedEvent): string => {
  const { at } = JSON.parse(meta) as { at?: unknown };
  return typeof at === "number" ? `, ${new Date(at).toISOString()}` : "";
};
