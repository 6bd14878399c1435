import { existsSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../durable.js";
import { readBackupManifest, type BackupManifest } from "./manifest.js";

export type VerifiedBackup = {
  readonly manifest: BackupManifest;
  /** Of the keys' directory, where the backup was taken apart and it was named. */
  readonly keys?: BackupManifest;
  readonly problems: readonly string[];
};

/**
 * Whether every file is what was written, and log and keys are of one backup.
 * @param onProgress bytes
 * @throws (rejects) Error for what is no backup
 */
export const verifyBackup = async (
  dir: string,
  keysDir: string | undefined,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<VerifiedBackup> => {
  const manifest = await readBackupManifest(dir);
  const keys = keysDir === undefined ? undefined : await readBackupManifest(keysDir);
  const of = [...manifest.files, ...(keys?.files ?? [])].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onRead = (bytes: number): void => {
    onProgress((done += bytes), of);
  };
  const problems = [
    ...mismatch(manifest, keys),
    ...(await problemsIn(dir, manifest, onRead)),
    ...(keysDir === undefined || keys === undefined ? [] : await problemsIn(keysDir, keys, onRead)),
  ];
  return { manifest, ...(keys === undefined ? {} : { keys }), problems };
};

const mismatch = (manifest: BackupManifest, keys: BackupManifest | undefined): readonly string[] => {
  if (manifest.part === "keys")
    return ["these are the keys of a backup: name the directory of its log, and this one with --keys"];
  if (keys === undefined) return [];
  if (manifest.part === "whole") return ["the keys are in this backup already: leave --keys out"];
  if (keys.part !== "keys") return ["what --keys names is no backup of keys"];
  return keys.id === manifest.id ? [] : ["log and keys are of two different backups"];
};

const problemsIn = async (
  dir: string,
  { files }: BackupManifest,
  onRead: (bytes: number) => void,
): Promise<readonly string[]> => {
  const problems: string[] = [];
  for (const { name, bytes, sha256 } of files) {
    const path = join(dir, name);
    if (!existsSync(path)) problems.push(`${path} is missing`);
    else {
      const found = await digestOf(path, onRead);
      if (found.bytes !== bytes) problems.push(`${path} has ${found.bytes} bytes, not ${bytes}`);
      else if (found.sha256 !== sha256)
        problems.push(`${path} is not what was written: its bytes have another SHA-256`);
    }
  }
  return problems;
};
