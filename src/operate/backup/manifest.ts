import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { t } from "../../domain/kernel/fp.js";
import { reasonOf } from "../../lib/errors.js";

/**
 * What is in a backup's directory, as `backup.json` beside it. `log` and `keys` are the parts of one backup that was taken
 * apart (`--keys-to`): they bear one id. Of the distributed profile only Parley's own is in it, the engines have theirs.
 */
export type BackupManifest = {
  readonly format: "parley-backup";
  readonly version: 1;
  readonly id: string;
  readonly profile: "embedded" | "distributed";
  readonly part: "whole" | "log" | "keys";
  /** Unix milliseconds. */
  readonly madeAt: number;
  readonly cell: string | null;
  readonly epoch: string | null;
  /** The log's last event: its position, and when it was, in Unix milliseconds. The keys are of this moment or later. */
  readonly head: number;
  readonly headAt: number | null;
  readonly files: readonly BackupFile[];
};
export type BackupFile = { readonly name: string; readonly bytes: number; readonly sha256: string };

const orNull = <C extends t.Mixed>(codec: C) => t.union([codec, t.null]);
const manifestCodec = t.type({
  format: t.literal("parley-backup"),
  version: t.literal(1),
  id: t.string,
  profile: t.keyof({ embedded: null, distributed: null }),
  part: t.keyof({ whole: null, log: null, keys: null }),
  madeAt: t.number,
  cell: orNull(t.string),
  epoch: orNull(t.string),
  head: t.number,
  headAt: orNull(t.number),
  files: t.array(t.type({ name: t.string, bytes: t.number, sha256: t.string })),
});

export const manifestFile = "backup.json";

/** @throws (rejects) Error for a directory that is no backup, or not a whole one */
export const readBackupManifest = async (dir: string): Promise<BackupManifest> => {
  const path = join(dir, manifestFile);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(`${dir} is no backup, or one that was not finished: ${reasonOf(error)}`);
  });
  const manifest: unknown = parsed(text);
  if (!manifestCodec.is(manifest)) throw new Error(`${path} is no manifest of a backup that this version knows`);
  return manifest;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
