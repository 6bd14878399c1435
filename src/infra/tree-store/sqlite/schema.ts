/** The tree store's file. */
import { rmSync } from "node:fs";
import type Database from "better-sqlite3";
import { asPosition } from "../../../domain/kernel/stream.js";
import type { TreeReads } from "../../../projections/ports/tree-store.js";
import { isDamage, openDisposable } from "../../engines/disposable-file.js";
import { openToRead } from "../../engines/sqlite-file.js";
import { digestOf } from "../../snapshot-store/digest.js";

/** Of these tables and of what tiles hold; a file of another one is made anew. */
const schemaVersion = 1;

const tables = `
  create table tiles (
    level integer not null, tile integer not null, digest blob not null, bytes blob not null,
    primary key (level, tile)
  ) strict;
  create table checkpoint (
    one integer primary key check (one = 1), position integer not null, size integer not null, epoch text not null
  ) strict;
`;

/** Opens, and makes if need be, the file (mode 600); one that is damaged or of another schema is replaced. @throws Error */
export const openTreeFile = (path: string): Database.Database => {
  try {
    const db = open(path);
    if (db.pragma("user_version", { simple: true }) === schemaVersion) return db;
    db.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  discardTreeFile(path);
  const db = open(path);
  db.exec(tables);
  db.pragma(`user_version = ${schemaVersion}`);
  return db;
};

/** What was in it is made again from the log. */
export const discardTreeFile = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
};

/**
 * The file beside its writer, or without one. What is damaged in it is not there: the caller can do without.
 * Undefined when all of it is. @throws Error when it cannot be read
 */
export const openTreeFileToRead = (path: string): (TreeReads & { readonly close: () => void }) | undefined => {
  const db = unlessDamaged(() => openToRead(path));
  const reads = db && unlessDamaged(() => readsOf(db));
  if (reads === undefined) {
    db?.close();
    return undefined;
  }
  return {
    tile: (level, index) => reads.tile(level, index).catch(notThere),
    checkpoint: () => reads.checkpoint().catch(notThere),
    close: () => {
      db?.close();
    },
  };
};

/** @throws what is no damage */
const notThere = (error: unknown): undefined => {
  if (!isDamage(error)) throw error;
};

const unlessDamaged = <A>(read: () => A): A | undefined => {
  try {
    return read();
  } catch (error) {
    notThere(error);
    return undefined;
  }
};

type TileRow = { readonly digest: Buffer; readonly bytes: Buffer };
type CheckpointRow = { readonly position: number; readonly size: number; readonly epoch: string };

export const readsOf = (db: Database.Database): TreeReads => {
  const tile = db.prepare<[number, number], TileRow>("select digest, bytes from tiles where level = ? and tile = ?");
  const checkpoint = db.prepare<[], CheckpointRow>("select position, size, epoch from checkpoint");
  const attempt = <A>(read: () => A): Promise<A> =>
    new Promise((resolve) => {
      resolve(read());
    });
  return {
    tile: (level, index) =>
      attempt(() => {
        const row = tile.get(level, index);
        // SQLite does not notice a flipped bit, and a head over one would be signed: such a tile is not there.
        return row !== undefined && digestOf(row.bytes).equals(row.digest) ? row.bytes : undefined;
      }),
    checkpoint: () =>
      attempt(() => {
        const row = checkpoint.get();
        return row && { ...row, position: asPosition(row.position) };
      }),
  };
};

/** Tiles and checkpoint go together: what a power cut takes is hashed again. */
const open = (path: string): Database.Database => openDisposable(path, "NORMAL");
