import {
  newMasterKey,
  readMasterKeyFile,
  readOrCreateMasterKeyFile,
  replaceMasterKeyFile,
} from "../infra/key-store/master-key-file.js";
import type { SqliteKeyStore } from "../infra/key-store/sqlite/key-store.js";
import { keysAreWrappedIn } from "../infra/key-store/sqlite/wrapped.js";
import type { MasterKeys } from "../infra/key-store/wrapping.js";
import { givenMasterKeys } from "../settings/master-key.js";
import type { filesOf } from "./data-directory.js";

/**
 * What wraps the data keys of a directory: what the environment gives, else what master.key says, which the first start
 * makes. One that is made anew beside keys that another has wrapped would open none of them.
 * @throws (rejects) BadConfig; Error when it is missing
 */
export const masterKeysFor = async ({
  keys,
  masterKey,
}: Pick<ReturnType<typeof filesOf>, "keys" | "masterKey">): Promise<MasterKeys> => {
  const known = givenMasterKeys(process.env) ?? (await readMasterKeyFile(masterKey));
  if (known !== undefined) return known;
  if (keysAreWrappedIn(keys))
    throw new Error(
      `${masterKey} is missing though ${keys} has keys that only it opens: restore it from its backup, or set PARLEY_MASTER_KEY to what it said`,
    );
  return readOrCreateMasterKeyFile(masterKey);
};

export type Rotated = {
  /** Keys that another master key had wrapped. */
  readonly rewrapped: number;
  /** A new master key is in master.key; else the environment gives it. */
  readonly made: boolean;
};

type Rewrapping = Pick<SqliteKeyStore, "rewrap">;
type OnRewrapped = (rewrapped: number) => void;
type MasterKeyFile = Pick<ReturnType<typeof filesOf>, "masterKey">;

/** The last that was asked for, of each store. */
const rotations = new WeakMap<Rewrapping, Promise<unknown>>();

/**
 * Wraps all data keys with a new master key, or with the one that the environment gives first. Whatever ends it in between
 * leaves master.key with what opens each of them. One after the other: the end of one would take away what another has
 * just put into master.key, and wraps with.
 */
export const rotateMasterKey = (file: MasterKeyFile, keys: Rewrapping, onProgress?: OnRewrapped): Promise<Rotated> => {
  const rotation = (rotations.get(keys) ?? Promise.resolve()).then(() => rotate(file, keys, onProgress));
  rotations.set(
    keys,
    rotation.catch(() => undefined),
  );
  return rotation;
};

const rotate = async ({ masterKey }: MasterKeyFile, keys: Rewrapping, onProgress?: OnRewrapped): Promise<Rotated> => {
  const given = givenMasterKeys(process.env);
  if (given !== undefined) return { rewrapped: await keys.rewrap(given, onProgress), made: false };
  const before = await readOrCreateMasterKeyFile(masterKey);
  const next = newMasterKey();
  await replaceMasterKeyFile(masterKey, [next, ...before]);
  const rewrapped = await keys.rewrap([next, ...before], onProgress);
  // Looks at each once more: only what the new one opens by itself lets the one of before go.
  await keys.rewrap([next]);
  await replaceMasterKeyFile(masterKey, [next]);
  return { rewrapped, made: true };
};
