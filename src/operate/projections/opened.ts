import type { EventSource } from "../../projections/ports/event-source.js";
import type { Generations } from "../../projections/ports/generations.js";
import type { RebuildOptions } from "../../projections/rebuild/rebuild.js";

/** What a rebuild needs of a Parley, its server running or not. */
export type OpenedGenerations = Pick<RebuildOptions, "switchTo" | "othersBringTo" | "liveMayHold" | "startThreads"> & {
  readonly source: Pick<EventSource, "readAll" | "readStream">;
  readonly generations: Generations;
  /** Projectors write old generations on, until they are dropped. */
  readonly oldAreWritten?: boolean;
  readonly close: () => Promise<void>;
};
