import type { Position } from "../../domain/kernel/stream.js";
import type { StoredRows } from "../../projections/ports/stored-rows.js";
import type { FoundDrift } from "../../projections/reconcile/reconcile.js";

export type { FoundDrift };

/** The live views of a Parley, read as they lie there, and what puts rows right beside their projectors. */
export type ViewsToReconcile = {
  readonly stored: StoredRows;
  /** Answers how many were replaced: the others have moved meanwhile. */
  readonly repair: (at: Position, drifts: readonly FoundDrift[]) => Promise<number>;
};
