/** A backup's directory takes its name when everything in it is on the disk. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeDirectories } from "../../infra/make-directories.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { writeWhole } from "../durable.js";
import { manifestFile, type BackupManifest } from "./manifest.js";

export type BackupDirectory = {
  /** Where its files are written. */
  readonly path: string;
  readonly finish: (manifest: BackupManifest) => Promise<void>;
  /** Leaves nothing. */
  readonly abandon: () => Promise<void>;
};

/** @throws (rejects) Error when the directory is there already */
export const beginDirectory = async (dir: string): Promise<BackupDirectory> => {
  const whole = resolve(dir);
  if (existsSync(whole)) throw new Error(`${dir} is there already: name a directory that is not, one for each backup`);
  makeDirectories(dirname(whole));
  const path = `${whole}.unfinished`;
  // What a run before left when it was killed: nobody else has directories of that name.
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { mode: 0o700 });
  return {
    path,
    finish: async (manifest) => {
      await writeWhole(join(path, manifestFile), `${JSON.stringify(manifest, undefined, 2)}\n`);
      await rename(path, whole);
      await syncDirectory(dirname(whole));
    },
    abandon: () => rm(path, { recursive: true, force: true }),
  };
};
