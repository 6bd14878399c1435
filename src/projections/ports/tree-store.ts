import type { Position } from "../../domain/kernel/stream.js";

/** How much of the log the tree's hashes are of. */
export type TreeCheckpoint = {
  /** Of the last event that was looked at. */
  readonly position: Position;
  /** Leaves up to there. */
  readonly size: number;
  /** The incarnation of the log. */
  readonly epoch: string;
};

/**
 * A part of the tree. Level 0 holds leaves' hashes, 256 a tile, 32 bytes each; level n the roots of 256 whole tiles of
 * level n - 1. Level -1 holds the positions of the leaves, 8 bytes each (unsigned, big-endian). The last tile of a level
 * may be short; it grows and never changes otherwise, so that a tile written again, by whomever, is the same.
 */
export type Tile = { readonly level: number; readonly index: number; readonly bytes: Buffer };

/** Hashes of the log's leaves, kept so that a proof reads some dozen of them. Disposable: they follow from the log. */
export type TreeReads = {
  readonly checkpoint: () => Promise<TreeCheckpoint | undefined>;
  readonly tile: (level: number, index: number) => Promise<Buffer | undefined>;
};

export type TreeStore = TreeReads & {
  /** Tiles first, or with it, then the checkpoint. A shorter tile or a smaller checkpoint never replaces a longer one. */
  readonly write: (tiles: readonly Tile[], checkpoint: TreeCheckpoint) => Promise<void>;
  /** Forgets everything: what is there is of another log, or of another incarnation of this one. */
  readonly clear: () => Promise<void>;
};
