import type { Tile, TreeCheckpoint, TreeStore } from "../../../projections/ports/tree-store.js";
import { digestOf } from "../../snapshot-store/digest.js";
import { openTreeFile, readsOf } from "./schema.js";

/** The embedded tree store: on the caller's thread, in a file that may be deleted while no server runs. */
export const openSqliteTree = (path: string): TreeStore & { readonly close: () => void } => {
  const db = openTreeFile(path);
  const put = db.prepare<[number, number, Buffer, Buffer]>(
    "insert into tiles values (?, ?, ?, ?) on conflict do update set digest = excluded.digest, bytes = excluded.bytes",
  );
  const move = db.prepare<[number, number, string]>(
    "insert into checkpoint values (1, ?, ?, ?) on conflict do update set position = excluded.position, size = excluded.size, epoch = excluded.epoch",
  );
  const write = db.transaction((tiles: readonly Tile[], { position, size, epoch }: TreeCheckpoint) => {
    for (const { level, index, bytes } of tiles) put.run(level, index, digestOf(bytes), bytes);
    move.run(position, size, epoch);
  });
  const clear = db.transaction(() => {
    db.exec("delete from tiles; delete from checkpoint");
  });
  const attempt = (work: () => void): Promise<void> =>
    new Promise((resolve) => {
      work();
      resolve();
    });
  return {
    ...readsOf(db),
    write: (tiles, checkpoint) =>
      attempt(() => {
        write.immediate(tiles, checkpoint);
      }),
    clear: () => attempt(clear),
    close: () => {
      db.close();
    },
  };
};
