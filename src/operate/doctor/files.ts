import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { walBytesKept } from "../../infra/engines/wal.js";
import { viewsPathsIn } from "../../infra/view-store/sqlite/generation-files.js";
import { filesOf, walsOf } from "../../profiles/data-directory.js";
import { reasonOf } from "../../lib/errors.js";
import type { Check } from "./check.js";
import { isLocked } from "../inspect/stores.js";

export type DirectoryState = {
  readonly exists: boolean;
  readonly running: boolean;
  readonly checks: readonly Check[];
};

/** Whether it is there, can be written, and is in use. `exists`: there is a directory to look into. */
export const checkDirectory = (dir: string): DirectoryState => {
  const name = "data directory";
  if (!existsSync(dir)) {
    const says = `${dir} does not exist; the first parley serve makes it`;
    const mend = `Name the right one with --data DIR or PARLEY_DATA, or start Parley: parley serve --data ${dir}`;
    return { exists: false, running: false, checks: [{ name, state: "wrong", says, mend }] };
  }
  if (!statSync(dir).isDirectory()) {
    const mend = "Name a directory that Parley may write with --data DIR or PARLEY_DATA";
    const says = `the data directory ${dir} cannot be used: it is not a directory`;
    return { exists: false, running: false, checks: [{ name, state: "wrong", says, mend }] };
  }
  try {
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const mend = `Run as its owner, or give it to this user: chown -R USER ${dir}`;
    return { exists: true, running: false, checks: [{ name, state: "wrong", says: reasonOf(error), mend }] };
  }
  const writable: Check = { name, state: "ok", says: `${dir} is there and can be written` };
  try {
    const running = isLocked(dir);
    const says = running ? "a server has the directory" : "no server has the directory";
    return { exists: true, running, checks: [writable, { name: "server", state: "ok", says }] };
  } catch (error) {
    const says = `the lock cannot be looked at: ${reasonOf(error)}`;
    const check: Check = {
      name: "server",
      state: "wrong",
      says,
      mend: `Look at the owner and mode of ${filesOf(dir).lock}`,
    };
    return { exists: true, running: false, checks: [writable, check] };
  }
};

/** What holds secrets or content is its owner's alone. */
export const checkModes = (dir: string): Check => {
  const { log, keys, snapshots } = filesOf(dir);
  const closed = [log, keys, ...viewsPathsIn(dir), snapshots]
    .flatMap((path) => [path, `${path}-wal`])
    .concat(join(dir, "token.secret"), dir);
  const open = closed.filter((path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0);
  const secrets = open.filter((path) => path !== dir);
  if (open.length === 0) return { name: "file modes", state: "ok", says: "only the owner can read what is here" };
  // A directory that others may list does no harm while its files are closed to them.
  const files = secrets.length === 0 ? `chmod 700 ${dir}` : `chmod 600 ${secrets.join(" ")}`;
  const says = `others can read ${open.join(", ")}`;
  return { name: "file modes", state: secrets.length === 0 ? "warning" : "wrong", says, mend: files };
};

/** Cut by the server within seconds, unless a reader began before all that is in them. */
export const checkWals = (dir: string): Check => {
  const name = "write-ahead logs";
  const wals = Object.entries(walsOf(filesOf(dir)));
  const says = wals.map(([file, bytes]) => `${file} ${(bytes / 2 ** 20).toFixed(1)} MiB`).join(", ");
  if (wals.every(([, bytes]) => bytes <= 4 * walBytesKept)) return { name, state: "ok", says };
  const mend = `End what reads the files for so long (fuser ${dir}/*.db); where no server runs, the next start mends it`;
  return { name, state: "warning", says, mend };
};

/** Below the first the server is about to refuse messages; below the second the operator should plan. */
const freeBytesWrong = 256 * 2 ** 20;
const freeBytesWarning = 2 * 2 ** 30;

export const checkDisk = (dir: string): Check => {
  const { bavail, bsize, type } = statfsSync(dir);
  const free = bavail * bsize;
  const says = `${(free / 2 ** 30).toFixed(1)} GiB free`;
  const mend = "Make room: a full disk means that nothing is accepted any more";
  if (free < freeBytesWrong) return { name: "disk", state: "wrong", says, mend };
  if (type === tmpfs) {
    return {
      name: "disk",
      state: "warning",
      says: `${says}, in memory`,
      mend: "On tmpfs nothing survives a restart of the machine",
    };
  }
  return free < freeBytesWarning ? { name: "disk", state: "warning", says, mend } : { name: "disk", state: "ok", says };
};

/** Magic number of statfs(2). */
const tmpfs = 0x01021994;
