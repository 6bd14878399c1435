import { Binary, type AnyBulkWriteOperation, type Collection, type Db } from "mongodb";
import { asPosition } from "../../../domain/kernel/stream.js";
import type { Tile, TreeStore } from "../../../projections/ports/tree-store.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { untilPassing } from "../../view-store/mongodb/retry.js";

/** `_id`: level and number of a tile, or `checkpoint`. `n`: how far it has come (bytes, leaves), which only grows. */
type TileDocument = { readonly _id: string; readonly n: number; readonly bytes: Binary };
type CheckpointDocument = {
  readonly _id: "checkpoint";
  readonly n: number;
  readonly position: number;
  readonly epoch: string;
};

const tileId = ({ level, index }: Pick<Tile, "level" | "index">): string => `${level}/${index}`;

/**
 * The tree's hashes in the collection `tree`. Several projectors may write at once for a moment: what is further stays,
 * since a tile of more leaves begins with the same ones.
 */
export const openMongoTree = (db: Db, onProblem: (error: Error) => void = () => undefined): TreeStore => {
  const options = { readPreference: "primary", writeConcern: { w: "majority" } } as const;
  const tiles: Collection<TileDocument> = db.collection<TileDocument>("tree", options);
  const checkpoints: Collection<CheckpointDocument> = db.collection<CheckpointDocument>("treeCheckpoint", options);
  return {
    tile: (level, index) =>
      reachable(async () => {
        const found = await tiles.findOne({ _id: tileId({ level, index }) });
        return found === null ? undefined : Buffer.from(found.bytes.value());
      }),
    checkpoint: () =>
      reachable(async () => {
        const found = await checkpoints.findOne({ _id: "checkpoint" });
        return found === null ? undefined : { position: asPosition(found.position), size: found.n, epoch: found.epoch };
      }),
    write: async (written, { position, size, epoch }) => {
      // A first upsert that finds a longer tile meets its id, and there is nothing to do: $max leaves the longer one.
      const operations = written.map((tile): AnyBulkWriteOperation<TileDocument> => {
        const [n, bytes] = [tile.bytes.length, new Binary(tile.bytes)];
        return { updateOne: { filter: { _id: tileId(tile) }, update: { $max: { n, bytes } }, upsert: true } };
      });
      if (operations.length > 0)
        await untilPassing(async () => {
          await tiles.bulkWrite(operations, { ordered: false });
        }, onProblem);
      await untilPassing(async () => {
        const update = { $max: { n: size, position }, $set: { epoch } };
        await checkpoints.updateOne({ _id: "checkpoint" }, update, { upsert: true });
      }, onProblem);
    },
    clear: () =>
      untilPassing(async () => {
        // The checkpoint last: while it is there, whoever comes next knows that something has to go.
        await tiles.deleteMany({});
        await checkpoints.deleteMany({});
      }, onProblem),
  };
};
