import { randomUUID } from "node:crypto";
import { beginEpoch, cellOfLog, ImportUnfinished, newestStart } from "../commands/epoch.js";
import type { Position } from "../domain/kernel/stream.js";
import { operator } from "./access.js";
import { openToWrite } from "./open-to-write.js";
import type { Target } from "./target.js";

export type EpochBegun = {
  readonly epoch: string;
  readonly previous: string | null;
  /** The log's, as its start has to name it; null where it never said one. */
  readonly cell: string | null;
  /** The log's head before. */
  readonly head: Position;
};

/**
 * Begins another incarnation of a log that nobody else has open: every client drops what it has and syncs afresh. Views and
 * snapshots go: whether they are of this log is what is in doubt where an epoch is begun. They go last, so that a process
 * which was killed in between leaves views that do not fit, and a start that says so.
 * @throws (rejects) what `openToWrite` does, and ImportUnfinished
 */
export const newEpoch = async (
  target: Target,
  { reason, unchecked }: { readonly reason: string; readonly unchecked?: boolean },
): Promise<EpochBegun> => {
  const { log, forgetDerived, close } = await openToWrite(target, { unchecked: unchecked === true });
  try {
    const before = await newestStart(log);
    if (before?.cause === "importing") throw new ImportUnfinished();
    const head = await log.head();
    const previous = before?.epoch ?? null;
    const home = await cellOfLog(log);
    const start = { home, cause: "operator", reason, previous: { epoch: previous, head }, by: operator() } as const;
    const epoch = await beginEpoch(log, start, Date.now, { uuid: randomUUID });
    await forgetDerived();
    return { epoch, previous, cell: home ?? null, head };
  } finally {
    await close();
  }
};
