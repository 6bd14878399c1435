import { newestEpoch } from "../commands/epoch.js";
import { closeQuietly } from "./doctor/probe.js";
import { openKeysOf, openLogOf } from "./inspect/stores.js";
import type { Closers } from "../profiles/close-all.js";
import type { KeysToRead, LogToRead, OpenedParts, Target } from "./target.js";

/** A log to look into, its server running or not. Nothing in it is changed. */
export type OpenedToRead = {
  readonly log: LogToRead;
  /**
   * Keys are found, never made. Opened when they are first asked for. Rejects with NotThere where there are none, and with
   * the engine's error; with another master key each key's own `find` rejects.
   */
  readonly keys: () => Promise<KeysToRead>;
  /** Undefined for a log that nobody has started yet. */
  readonly epoch: () => Promise<string | undefined>;
  /** What fails or is late while it closes is left to the end of the process. */
  readonly close: () => Promise<void>;
};

/** @throws (rejects) NotThere for a directory without a log; Error that names the engine which does not answer within five seconds */
export const openToRead = async (target: Target): Promise<OpenedToRead> => {
  const closers: Closers = [];
  const { log, openKeys } = await partsOf(target, closers);
  let keys: Promise<KeysToRead> | undefined;
  return {
    log,
    keys: () => (keys ??= openKeys()),
    epoch: () => newestEpoch(log),
    close: () => closeQuietly(closers),
  };
};

const partsOf = async (target: Target, closers: Closers): Promise<OpenedParts> => {
  if (target.profile === "embedded") return partsOfDirectory(target.dir, closers);
  // Loaded when they are wanted: the drivers take most of a command's second.
  const { partsOfEngines } = await import("./open-engines.js");
  return partsOfEngines(target.config, closers);
};

const partsOfDirectory = (dir: string, closers: Closers): OpenedParts => {
  const log = openLogOf(dir);
  closers.push(log.close);
  const openKeys = async () => {
    const keys = await openKeysOf(dir);
    closers.push(keys.close);
    return keys;
  };
  return { log, openKeys };
};
