import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EventLog } from "../commands/ports.js";
import { openSqliteLog } from "../infra/event-log/sqlite/event-log.js";
import { closeAll, closedAfter, type Closers } from "../profiles/close-all.js";
import { filesOf, lockDirectory } from "../profiles/data-directory.js";
import { NotThere } from "./inspect/stores.js";
import type { OrderedLog } from "./transfer/append.js";
import type { EmbeddedTarget, OpenedToWrite, Target, WriteOptions } from "./target.js";

/** @throws (rejects) DirectoryInUse, NotThere, StillRunning, and the engines' errors with their variables' names */
export const openToWrite = async (target: Target, options: WriteOptions = {}): Promise<OpenedToWrite> => {
  if (target.profile === "embedded") return openDirectory(target, options);
  const { openEnginesToWrite } = await import("./engines-to-write.js");
  return openEnginesToWrite(target.config, options);
};

/** The log's thread commits in the order in which it was asked, and stops for good when it cannot; so much never fills its queue. */
const orderedIn = ({ append }: EventLog): OrderedLog => ({
  open: () => ({ append, close: () => undefined }),
  atOnce: { events: 8_192, bytes: 8 * 1024 * 1024 },
  attemptsMax: 1,
});

const openDirectory = async ({ dir }: EmbeddedTarget, { create }: WriteOptions): Promise<OpenedToWrite> => {
  const files = filesOf(dir);
  if (create !== true && !existsSync(files.log))
    throw new NotThere(
      `There is no log in ${dir}`,
      "Name the server's data directory with --data DIR (or PARLEY_DATA)",
    );
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    closers.push(lockDirectory(dir).release);
    const log = await openSqliteLog(files.log);
    closers.push(log.close);
    return { log, ordered: orderedIn(log), forgetDerived: () => forgetDerivedIn(dir), close };
  } catch (error) {
    throw await closedAfter(error, close);
  }
};

/** `views.db`, `snapshots.db` and `tree.db` with what lies beside them, of whatever generation. */
const derivedPattern = /^(views|snapshots)\.|^tree\.db/;

const forgetDerivedIn = async (dir: string): Promise<void> => {
  for (const name of readdirSync(dir)) if (derivedPattern.test(name)) rmSync(join(dir, name), { force: true });
  return Promise.resolve();
};
