import { randomUUID } from "node:crypto";
import type { EventLog } from "../../src/commands/ports.js";
import { asPosition, type Position } from "../../src/domain/kernel/stream.js";
import type { Tile, TreeCheckpoint, TreeStore } from "../../src/projections/ports/tree-store.js";

/** A tree store in memory. */
export const memoryTree = (): TreeStore => {
  const tiles = new Map<string, Buffer>();
  let checkpoint: TreeCheckpoint | undefined;
  const key = ({ level, index }: Pick<Tile, "level" | "index">): string => `${level}/${index}`;
  return {
    checkpoint: () => Promise.resolve(checkpoint),
    tile: (level, index) => Promise.resolve(tiles.get(key({ level, index }))),
    write: (written, next) => {
      for (const tile of written) tiles.set(key(tile), Buffer.from(tile.bytes));
      checkpoint = next;
      return Promise.resolve();
    },
    clear: () => {
      tiles.clear();
      checkpoint = undefined;
      return Promise.resolve();
    },
  };
};

/** Appends events that say nothing but are leaves, one an append; the position of the last. */
export const appendLeaves = async (log: Pick<EventLog, "append">, count: number, streams = 3): Promise<Position> => {
  const appended = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const by = { kind: "system" };
      const meta = JSON.stringify({ at: 1_760_000_000_000 + index, by, commandId: "c", correlationId: "r", schema: 1 });
      // In a text of JSON, and yet the end of a line for whoever reads lines by more than line feeds.
      const data = JSON.stringify({ advances: [], index, text: "\u2028" });
      const event = { id: randomUUID(), type: "ReceiptsAdvanced", data, meta };
      return log.append(`receipts-g_${index % streams}`, "any", [event]);
    }),
  );
  return asPosition(Math.max(0, ...appended.map((result) => (result.kind === "conflict" ? 0 : result.position))));
};
