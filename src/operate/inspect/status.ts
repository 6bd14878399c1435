/** What an operator is told of the projections, alike in both profiles. */
import type { ProjectionName } from "../../projections/named.js";
import type { Generation } from "../../projections/ports/generations.js";

/** Where positions are not dense, the lag is counted by reading the events; beyond it is just "far". */
export const lagEventsMax = 10_000;

export type ProjectionsStatus = {
  readonly profile: "embedded" | "distributed";
  /** Position of the log's last event. */
  readonly head: number;
  readonly logEpoch: string | null;
  readonly projections: readonly ProjectionStatus[];
  /** All that are there: the live one, one that is being built, old ones. */
  readonly generations: readonly GenerationStatus[];
  /** Of the distributed profile, in which projectors share the log. */
  readonly partitions?: readonly PartitionStatus[];
  /** Why nothing is known of the projectors: Redis was away. */
  readonly holdersProblem?: string;
};

/** A projection by its name. Null: it has none, or nobody knows now. */
export type ProjectionStatus = {
  readonly name: ProjectionName;
  /** Up to here it holds the log; where partitions share it, the one that is farthest behind. */
  readonly position: number | null;
  readonly head: number;
  /** Events of the log after `position`; in the distributed profile counted up to `lagEventsMax`. */
  readonly lag: number | null;
  /** Of its views, as the engine counts them. */
  readonly rows: number | null;
  /** Of its views with their indexes; absent where the engine does not say. */
  readonly bytes?: number;
  readonly generation: number | null;
  readonly epoch: string | null;
  readonly logEpoch: string | null;
  /** Why it does not go on, as the processes say that keep it; null when it does, or none runs. */
  readonly lastError: string | null;
  /** Where several processes share it: which of them has `position`. */
  readonly slowest?: { readonly partition: number; readonly projector: string | null };
  /** It does not fit the log: what is wrong and how to mend it. */
  readonly problem?: string;
};

export type GenerationStatus = Pick<Generation, "number" | "state"> & {
  readonly position: number;
  /** Absent where the engine does not say. */
  readonly bytes?: number;
};

export type PartitionStatus = {
  readonly partition: number;
  /** The projector that works on it; null for none, or when Redis was away. */
  readonly holder: string | null;
  /** Null: no projector has begun. */
  readonly views: number | null;
  readonly delivery: number | null;
  readonly isBehind: boolean;
};

/** The sum, unless one of them is not known. */
export const bytesTogether = (bytes: readonly (number | undefined)[]): { readonly bytes?: number } => {
  let sum = 0;
  for (const each of bytes) {
    if (each === undefined) return {};
    sum += each;
  }
  return { bytes: sum };
};
