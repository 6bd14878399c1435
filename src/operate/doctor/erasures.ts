import { existsSync } from "node:fs";
import type { UserId } from "../../domain/kernel/ids.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import { reasonOf } from "../../lib/errors.js";
import { filesOf } from "../../profiles/data-directory.js";
import type { KnownErasure } from "../../profiles/erasure/ledger.js";
import { openLedgerFile } from "../../profiles/erasure/ledger-file.js";
import { epochsOf } from "../../profiles/erasure/lineage.js";
import { erasureLedgerOf } from "../../settings/erasure-ledger.js";
import { erasedInViews, openKeysOf, openLogOf } from "../inspect/stores.js";
import { counted, type Check } from "./check.js";

const name = "erasures";

/** Whether those who were erased are, and will be after a restore: keys come back with an older file, and a ledger is lost. */
export const checkErasures = async (dir: string, environment: NodeJS.ProcessEnv): Promise<Check> => {
  const path = erasureLedgerOf(dir, environment);
  let epochs: readonly string[];
  try {
    epochs = await epochsIn(dir);
  } catch {
    // The log's own check says why.
    return { name, state: "warning", says: "not looked at: needs the log" };
  }
  let listed: ReadonlyMap<UserId, KnownErasure>;
  try {
    listed = await listedIn(path, epochs);
  } catch (error) {
    const mend = `Restore ${path} from a copy: a start is refused without it`;
    return { name, state: "wrong", says: `the ledger cannot be read: ${reasonOf(error)}`, mend };
  }
  try {
    return erasuresCheck(path, await found(dir, listed));
  } catch (error) {
    return { name, state: "warning", says: `not looked at: ${reasonOf(error)}` };
  }
};

/** A ledger that is shared with other logs has theirs as well. */
const epochsIn = async (dir: string): Promise<readonly string[]> => {
  const log = openLogOf(dir);
  try {
    return await epochsOf(log);
  } finally {
    log.close();
  }
};

const listedIn = async (path: string, epochs: readonly string[]): Promise<ReadonlyMap<UserId, KnownErasure>> => {
  const listed = new Map<UserId, KnownErasure>();
  for await (const page of openLedgerFile(path, () => Promise.resolve(epochs)).pages())
    for (const known of page) listed.set(known.userId, known);
  return listed;
};

type Found = {
  readonly erased: number;
  /** Begun, and not certified. */
  readonly unfinished: number;
  /** The log says so, and the ledger does not. */
  readonly unlisted: number;
  /** Users some of whose keys are there. */
  readonly withKeys: number;
  /** One of them. */
  readonly example?: UserId;
};

/** Users of a page. */
const pageUsers = 500;

const found = async (dir: string, listed: ReadonlyMap<UserId, KnownErasure>): Promise<Found> => {
  const keys = existsSync(filesOf(dir).keys) ? await openKeysOf(dir) : undefined;
  let [unlisted, withKeys] = [0, 0];
  let example: UserId | undefined;
  const look = (userId: UserId): void => {
    if (keys?.hasOfUser(userId) !== true) return;
    withKeys += 1;
    example ??= userId;
  };
  try {
    for (const userId of listed.keys()) look(userId);
    for (let after: Position = noPosition; ;) {
      const page = erasedInViews(dir, after, pageUsers);
      for (const { userId } of page.filter((row) => !listed.has(row.userId))) {
        unlisted += 1;
        look(userId);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageUsers) break;
      after = last.position;
    }
  } finally {
    keys?.close();
  }
  const unfinished = [...listed.values()].filter(({ certificate }) => certificate === undefined).length;
  const erased = listed.size + unlisted;
  return { erased, unfinished, unlisted, withKeys, ...(example === undefined ? {} : { example }) };
};

const erasuresCheck = (path: string, { erased, unfinished, unlisted, withKeys, example }: Found): Check => {
  if (withKeys > 0)
    return {
      name,
      state: "wrong",
      says: `of ${counted(withKeys, "erased user")} there are keys (${example}): what they wrote can be read`,
      mend: `Start Parley (again), which destroys them; or parley user erase ${example}, where an erasure is not under way`,
    };
  if (unfinished > 0)
    return {
      name,
      state: "warning",
      says: `${counted(unfinished, "erasure")} begun, not certified yet`,
      mend: "Start Parley (again), or run parley user erase again, where none is under way",
    };
  if (unlisted > 0)
    return {
      name,
      state: "warning",
      says: `of ${counted(unlisted, "user")} whom the log says to be erased ${path} has nothing`,
      mend: "Restore the ledger from a copy (PARLEY_ERASURE_LEDGER names it): a backup from before would bring them back",
    };
  return {
    name,
    state: "ok",
    says: erased === 0 ? "nobody was erased" : `${counted(erased, "user")} erased, no key of theirs is there`,
  };
};
