import { availableParallelism } from "node:os";
import { rebuild, type RebuildOptions, type RebuildReport } from "../../projections/rebuild/rebuild.js";
import { switchBack, type SwitchBackOptions, type SwitchedBack } from "../../projections/rebuild/switch-back.js";
import type { OpenedGenerations } from "./opened.js";

export { rowsNames, type RowsName } from "../../projections/named.js";
export type { RebuildPhase, RebuildReport } from "../../projections/rebuild/rebuild.js";
export type { SwitchedBack } from "../../projections/rebuild/switch-back.js";
export type { Sample } from "../../projections/rebuild/sample.js";

/** Of `parallel`. Each holds a batch, a hundred mebibytes where events are the largest, and writing gains nothing by more. */
export const parallelMax = 16;

/** Half of the machine's cores, four at most: people chat on the other half. */
export const defaultParallel = (cores = availableParallelism()): number =>
  Math.min(4, Math.max(1, Math.floor(cores / 2)));

/** @throws (rejects) as `rebuild` (`projections/rebuild/rebuild.ts`) does, and what keeps the server from going over */
export const rebuildProjections = (
  { source, generations, switchTo, othersBringTo, liveMayHold, startThreads }: OpenedGenerations,
  options: Omit<RebuildOptions, keyof OpenedGenerations>,
): Promise<RebuildReport> =>
  rebuild({
    ...options,
    ...{ source, generations, switchTo },
    ...(othersBringTo === undefined ? {} : { othersBringTo }),
    ...(liveMayHold === undefined ? {} : { liveMayHold }),
    ...(startThreads === undefined ? {} : { startThreads }),
  });

/** @throws (rejects) as `switchBack` (`projections/rebuild/switch-back.ts`) does, and what keeps the server from going over */
export const switchToGeneration = (
  { source, generations, switchTo, oldAreWritten = false }: OpenedGenerations,
  options: Pick<SwitchBackOptions, "number" | "maxEventsPerSecond" | "onProgress">,
): Promise<SwitchedBack> => switchBack({ ...options, source, generations, switchTo, oldAreWritten });
