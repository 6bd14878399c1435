import { rebuild, type RebuildOptions, type RebuildReport } from "../../projections/rebuild/rebuild.js";
import { switchBack, type SwitchBackOptions, type SwitchedBack } from "../../projections/rebuild/switch-back.js";
import type { OpenedGenerations } from "./opened.js";

export { rowsNames, type RowsName } from "../../projections/named.js";
export type { RebuildPhase, RebuildReport } from "../../projections/rebuild/rebuild.js";
export type { SwitchedBack } from "../../projections/rebuild/switch-back.js";
export type { Sample } from "../../projections/rebuild/sample.js";

/** @throws (rejects) as `rebuild` (`projections/rebuild/rebuild.ts`) does, and what keeps the server from going over */
export const rebuildProjections = (
  { source, generations, switchTo, othersBringTo, liveMayHold }: OpenedGenerations,
  options: Omit<RebuildOptions, "source" | "generations" | "switchTo" | "othersBringTo" | "liveMayHold">,
): Promise<RebuildReport> =>
  rebuild({
    ...options,
    ...{ source, generations, switchTo },
    ...(othersBringTo === undefined ? {} : { othersBringTo }),
    ...(liveMayHold === undefined ? {} : { liveMayHold }),
  });

/** @throws (rejects) as `switchBack` (`projections/rebuild/switch-back.ts`) does, and what keeps the server from going over */
export const switchToGeneration = (
  { source, generations, switchTo, oldAreWritten = false }: OpenedGenerations,
  options: Pick<SwitchBackOptions, "number" | "maxEventsPerSecond" | "onProgress">,
): Promise<SwitchedBack> => switchBack({ ...options, source, generations, switchTo, oldAreWritten });
