import { mergedIncarnations } from "../../commands/sealing/data-keys.js";
import { erasedMarkOf, ownerOf } from "../../domain/kernel/users-keys.js";
import type { StoredKey, StoredKeys } from "../../infra/key-store/stored-keys.js";
import { filesOf, lockDirectory } from "../../profiles/data-directory.js";
import { masterKeysFor, rotateMasterKey, type Rotated } from "../../profiles/master-key.js";
import { recordAccess } from "../access.js";
import { withServerOrLock } from "../admin.js";
import type { Target } from "../target.js";
import { verifyKeyFile, writeKeyFile } from "./key-file.js";
import { openStoredKeys } from "./open.js";

/**
 * Wraps all data keys anew, while servers go on: with a new key in master.key, or with the first of those that the
 * environment gives (PARLEY_MASTER_KEY; those of before in PARLEY_MASTER_KEYS_ALSO).
 */
export const rotateKeys = async (target: Target, onProgress: (keys: number) => void): Promise<Rotated> => {
  if (target.profile === "embedded")
    return withServerOrLock(target.dir, {
      running: (call) => call<Rotated>("keys.rotate", {}, onProgress),
      stopped: () => rotateStopped(target.dir, onProgress),
    });
  const [{ openDatabase }, { rewrapMongoKeys }] = await Promise.all([
    import("../open-engines.js"),
    import("../../infra/key-store/mongodb/stored-keys.js"),
  ]);
  const { db, close } = await openDatabase(target.config, []);
  try {
    return { rewrapped: await rewrapMongoKeys(db, target.config.masterKeys, onProgress), made: false };
  } finally {
    await close();
  }
};

const rotateStopped = async (dir: string, onProgress: (keys: number) => void): Promise<Rotated> => {
  const { openSqliteKeyStore } = await import("../../infra/key-store/sqlite/key-store.js");
  const files = filesOf(dir);
  const keys = await openSqliteKeyStore(files.keys, await masterKeysFor(files));
  try {
    return await rotateMasterKey(files, keys, onProgress);
  } finally {
    await keys.close();
  }
};

/** Writes all keys to a file, wrapped by the passphrase; the log is told of it before. @returns how many */
export const exportKeys = async (
  target: Target,
  { file, passphrase, reason }: { readonly file: string; readonly passphrase: string; readonly reason: string },
  onProgress: (done: number, of: number) => void,
): Promise<number> => {
  await recordAccess(target, { kind: "keys.export", reason, scope: {} });
  const stored = await openStoredKeys(target, "read");
  try {
    const of = await stored.count();
    let keys = 0;
    const counted = async function* () {
      for await (const page of stored.pages()) {
        keys += page.filter(isData).length;
        yield page;
      }
    };
    await writeKeyFile(file, passphrase, counted(), (written) => {
      onProgress(written, of);
    });
    // What tells incarnations lies among them, and nobody who imports the file is told of it as a key.
    return keys;
  } finally {
    await stored.close();
  }
};

export type Imported = {
  readonly added: number;
  readonly known: number;
  /** Of users who were erased here, or where the file is from: they are left out. */
  readonly erased: number;
};

/** Two keys have one name: neither is thrown away. */
export class KeysDiffer extends Error {
  constructor(id: string) {
    super(
      `the key ${id} is there already, and is another one than in the file: the two are not of one log. Nothing was changed`,
    );
    this.name = "KeysDiffer";
  }
}

/** `importKeys` under the lock of a data directory, which is made where there is none. @throws (rejects) DirectoryInUse */
export const importKeysLocked = async (
  target: Target,
  from: { readonly file: string; readonly passphrase: string },
  onProgress: (done: number, of: number) => void,
): Promise<Imported> => {
  if (target.profile === "distributed") return importKeys(target, from, onProgress);
  const lock = lockDirectory(target.dir);
  try {
    return await importKeys(target, from, onProgress);
  } finally {
    lock.release();
  }
};

/**
 * Brings the keys of a file to those that are there, which stay. The server is stopped; the caller has the lock of a data
 * directory. @throws (rejects) BadKeyFile, KeysDiffer
 */
const importKeys = async (
  target: Target,
  { file, passphrase }: { readonly file: string; readonly passphrase: string },
  onProgress: (done: number, of: number) => void,
): Promise<Imported> => {
  const found = await verifyKeyFile(file, passphrase);
  const stored = await openStoredKeys(target, "write");
  try {
    const marks: StoredKey[] = [];
    for await (const page of found.pages()) {
      marks.push(...page.filter(isMark));
      await refuseOthers(stored, page.filter(isData));
    }
    // Marks of erasures come with it: what follows is left out by those that are there.
    await bringIncarnations(stored, marks);
    let [added, erased, done] = [0, 0, 0];
    for await (const page of found.pages()) {
      const data = page.filter(isData);
      const wanted = await withoutErased(stored, data);
      added += await stored.add(wanted);
      erased += data.length - wanted.length;
      onProgress((done += page.length), found.keys);
    }
    return { added, known: found.keys - marks.length - added - erased, erased };
  } finally {
    await stored.close();
  }
};

/** What the names of keys end with, and marks of losses: kept as keys among the keys, and few. */
const isMark = ({ id }: StoredKey): boolean => id.startsWith("#");
const isData = (key: StoredKey): boolean => !isMark(key);

/** What was destroyed on purpose is not brought back by a file of before. */
const withoutErased = async (stored: StoredKeys, page: readonly StoredKey[]): Promise<readonly StoredKey[]> => {
  const marks = new Map(
    page.flatMap(({ id }) => {
      const owner = ownerOf(id);
      return owner === undefined ? [] : [[id, erasedMarkOf(owner)] as const];
    }),
  );
  const there = await stored.find([...new Set(marks.values())]);
  return page.filter(({ id }) => !there.has(marks.get(id) ?? ""));
};

const refuseOthers = async (stored: StoredKeys, page: readonly StoredKey[]): Promise<void> => {
  const known = await stored.find(page.map(({ id }) => id));
  for (const { id, key } of page) if (known.get(id)?.equals(key) === false) throw new KeysDiffer(id);
};

/** Incarnations of the file come before the store's own: its log is the older one. */
const bringIncarnations = async (stored: StoredKeys, coming: readonly StoredKey[]): Promise<void> => {
  const own: StoredKey[] = [];
  for await (const page of stored.pages()) own.push(...page.filter(isMark));
  const { away, keys } = mergedIncarnations(coming, own);
  if (away.length + keys.length > 0) await stored.replace(away, keys);
};
