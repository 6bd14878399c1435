import { tilingOf, type RunSeries } from "../../audit/archive/tiling.js";
import { archiveKindOf, type ArchiveExported } from "../../domain/access.events.js";
import type { Position } from "../../domain/kernel/stream.js";
import { accessEntries } from "../accesses.js";
import type { OpenedToRead } from "../open.js";
import type { LogToRead } from "../target.js";

export type { RunSeries, Stretch } from "../../audit/archive/tiling.js";

/** All runs of archives that the log tells, oldest first, and the entries that cannot be read. */
export const archiveRuns = async (
  log: Pick<LogToRead, "readStream">,
): Promise<{ readonly runs: readonly ArchiveExported[]; readonly unreadable: readonly string[] }> => {
  const runs: ArchiveExported[] = [];
  const unreadable: string[] = [];
  for await (const entry of accessEntries(log)) {
    if ("unreadable" in entry) unreadable.push(`position ${entry.position}: ${entry.unreadable}`);
    else if (entry.event.type === "ArchiveExported") runs.push(entry.event);
  }
  return { runs, unreadable };
};

export type ArchiveSeries = RunSeries<ArchiveExported>;

/** What was handed to archives, by format, scope and incarnation of the log, and whether it tiles the log. */
export type ArchiveReport = {
  readonly series: readonly ArchiveSeries[];
  readonly head: Position;
  readonly epoch: string | undefined;
  readonly unreadable: readonly string[];
};

export const archiveReport = async ({ log, epoch }: OpenedToRead): Promise<ArchiveReport> => {
  const { runs, unreadable } = await archiveRuns(log);
  return { series: tilingOf(runs), head: await log.head(), epoch: await epoch(), unreadable };
};

/** Its runs are of that kind, in any incarnation: newest last. */
export const runsLike = (
  runs: readonly ArchiveExported[],
  { format, scope }: Pick<ArchiveExported, "format" | "scope">,
): readonly ArchiveExported[] => runs.filter((run) => archiveKindOf(run) === archiveKindOf({ format, scope }));
