import type Database from "better-sqlite3";
import type { Tile, TreeCheckpoint, TreeStore } from "../../../projections/ports/tree-store.js";
import { isDamage } from "../../engines/disposable-file.js";
import { digestOf } from "../../snapshot-store/digest.js";
import { discardTreeFile, openTreeFile, readsOf } from "./schema.js";

/**
 * The embedded tree store: on the caller's thread, in a file that may be deleted while no server runs. One that turns out
 * to be damaged is made anew: that call rejects, the next ones find an empty store.
 */
export const openSqliteTree = (path: string): TreeStore & { readonly close: () => void } => {
  let db = openTreeFile(path);
  let file = fileOf(db);
  const attempt = async <A>(work: () => A | Promise<A>): Promise<A> => {
    try {
      return await work();
    } catch (error) {
      if (isDamage(error)) {
        db.close();
        discardTreeFile(path);
        db = openTreeFile(path);
        file = fileOf(db);
      }
      throw error;
    }
  };
  return {
    tile: (level, index) => attempt(() => file.tile(level, index)),
    checkpoint: () => attempt(() => file.checkpoint()),
    write: (tiles, checkpoint) =>
      attempt(() => {
        file.write.immediate(tiles, checkpoint);
      }),
    clear: () =>
      attempt(() => {
        file.clear();
      }),
    close: () => {
      db.close();
    },
  };
};

const fileOf = (db: Database.Database) => {
  const put = db.prepare<[number, number, Buffer, Buffer]>(
    "insert into tiles values (?, ?, ?, ?) on conflict do update set digest = excluded.digest, bytes = excluded.bytes",
  );
  const move = db.prepare<[number, number, string]>(
    "insert into checkpoint values (1, ?, ?, ?) on conflict do update set position = excluded.position, size = excluded.size, epoch = excluded.epoch",
  );
  return {
    ...readsOf(db),
    write: db.transaction((tiles: readonly Tile[], { position, size, epoch }: TreeCheckpoint) => {
      for (const { level, index, bytes } of tiles) put.run(level, index, digestOf(bytes), bytes);
      move.run(position, size, epoch);
    }),
    clear: db.transaction(() => {
      db.exec("delete from tiles; delete from checkpoint");
    }),
  };
};
