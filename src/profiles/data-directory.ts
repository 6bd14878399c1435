import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../infra/make-directories.js";
import { takeFileLock, type FileLock } from "../infra/engines/file-lock.js";
import { liveViewsPath } from "../infra/view-store/sqlite/generation-files.js";
import { walBytes } from "../infra/engines/wal.js";

/**
 * The files of an embedded Parley. Those of the views, `snapshots.db` and `tree.db` may be
 * deleted: they are made again from the log.
 * `views`: the live generation's, as it is now.
 * @throws Error for a list of generations that is damaged
 */
export const filesOf = (dir: string) => ({
  log: join(dir, "log.db"),
  keys: join(dir, "keys.db"),
  views: liveViewsPath(dir),
  snapshots: join(dir, "snapshots.db"),
  /** Hashes of the tree over the log. */
  tree: join(dir, "tree.db"),
  /** What its heads are signed with. */
  treeKey: join(dir, "tree.key"),
  secret: join(dir, "token.secret"),
  masterKey: join(dir, "master.key"),
  lock: join(dir, "parley.lock"),
  /** The socket of operators' calls, while a server runs. */
  admin: join(dir, "admin.sock"),
});

/** What is secret beside the keys, each where it is there: what wraps the keys, and what signs tokens and heads of the tree. */
export const secretsOf = (dir: string): readonly string[] =>
  ["master.key", "token.secret", "tree.key"].map((name) => join(dir, name));

/** Bytes of the write-ahead logs beside the files, by the files' names. */
export const walsOf = ({ log, keys, views, snapshots, tree }: ReturnType<typeof filesOf>) => ({
  log: walBytes(log),
  keys: walBytes(keys),
  views: walBytes(views),
  snapshots: walBytes(snapshots),
  tree: walBytes(tree),
});

/** Where a restore puts what is not whole yet; it is gone when the directory is. */
export const restoringIn = (dir: string): string => join(dir, "restoring");

/** What is wrong when the log is gone (or empty) and what belongs to it is there: a log made anew would be without the past. */
export const missingLogOf = (dir: string): string | undefined => {
  if (existsSync(restoringIn(dir)))
    return `a restore into ${dir} has not ended: run parley backup restore again, which begins anew. To go on without it, delete ${restoringIn(dir)}`;
  const { log, keys, views, snapshots } = filesOf(dir);
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0) return undefined;
  const left = [views, keys, snapshots].filter((path) => existsSync(path));
  if (left.length === 0) return undefined;
  return `${log} is missing though ${left.join(", ")} ${left.length === 1 ? "is" : "are"} there: restore it from its backup. To begin anew without a past, empty the directory.`;
};

/** @throws Error that names the directory and what to do */
const makeDirectory = (dir: string): void => {
  try {
    makeDirectories(dir);
    if (!statSync(dir).isDirectory()) throw new Error("it is not a directory");
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The data directory ${dir} cannot be used: ${reason}. Name one that Parley may write with --data DIR.`,
    );
  }
};

export class DirectoryInUse extends Error {
  constructor(dir: string) {
    super(`Another Parley is using ${dir}. Stop it, or give this one a directory of its own with --data DIR.`);
    this.name = "DirectoryInUse";
  }
}

/**
 * Makes the directory and takes it for this process. The lock is the kernel's, on an open file: it goes with the
 * process, however that ends, and leaves nothing to clean up.
 *
 * @throws DirectoryInUse, and Error for a directory that cannot be used
 */
export const lockDirectory = (dir: string): FileLock => {
  makeDirectory(dir);
  const lock = takeFileLock(filesOf(dir).lock);
  if (lock === undefined) throw new DirectoryInUse(dir);
  return lock;
};
