import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { recordAccessIn, recordArchiveIn, type Access, type ToldRun } from "../commands/access.js";
import type { ByOperator } from "../domain/kernel/by.js";
import type { Position } from "../domain/kernel/stream.js";
import { openSqliteLog } from "../infra/event-log/sqlite/event-log.js";
import type { EventLog } from "../commands/ports.js";
import { filesOf } from "../profiles/data-directory.js";
import { withServerOrLock } from "./admin.js";
import type { DistributedTarget, Target } from "./target.js";

/** The account that asked for it: through sudo the one that went through it. */
export const operator = (): ByOperator => {
  const { SUDO_USER: before } = process.env;
  if (before !== undefined && before !== "") return { kind: "operator", userId: before };
  try {
    return { kind: "operator", userId: userInfo().username };
  } catch {
    // An account without a name, as containers have.
    return { kind: "operator" };
  }
};

/**
 * Tells the log of a privileged read, before anything is opened: through the server where one has the directory, else
 * under the directory's lock. Resolves when it is durable; whatever it rejects with, nothing may be opened.
 */
export const recordAccess = (target: Target, access: Access): Promise<Position> =>
  tell(target, "access.record", recordAccessIn, access);

/**
 * Tells the log of a file that was handed to an archive, once it is durable.
 * @throws (rejects) ArchiveRefused or ServerRefused `RUN_OVERLAPS` where another run at the same time was told first
 */
export const recordArchive = (target: Target, run: ToldRun): Promise<Position> =>
  tell(target, "archive.record", recordArchiveIn, run);

const tell = <A extends object>(
  target: Target,
  call: string,
  telling: (...given: Parameters<typeof recordArchiveIn>) => (what: A, by: ByOperator) => Promise<Position>,
  what: A,
): Promise<Position> => {
  const by = operator();
  const record = (log: EventLog): Promise<Position> => telling(log, Date.now, { uuid: randomUUID })(what, by);
  return target.profile === "embedded"
    ? withServerOrLock(target.dir, {
        running: (callServer) => callServer<Position>(call, { ...what, by }),
        stopped: () => withLogOf(target.dir, record),
      })
    : withLogOfEngines(target, record);
};

/** The caller has the directory's lock. */
export const withLogOf = async <A>(dir: string, use: (log: EventLog) => Promise<A>): Promise<A> => {
  const log = await openSqliteLog(filesOf(dir).log);
  try {
    return await use(log);
  } finally {
    await log.close();
  }
};

/** @throws (rejects) Error that names the variable when EventStoreDB does not answer */
export const withLogOfEngines = async <A>(
  { config }: DistributedTarget,
  use: (log: EventLog) => Promise<A>,
): Promise<A> => {
  const { openLogOfEngines } = await import("./open-engines.js");
  const closers: (() => Promise<void>)[] = [];
  const log = await openLogOfEngines(config, closers);
  try {
    return await use(log);
  } finally {
    await log.close();
  }
};
