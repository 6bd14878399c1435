import { archiveKindOf, type ArchiveExported } from "../../domain/access.events.js";

/** A run as the log tells it. */
export type ArchiveRun = Pick<
  ArchiveExported,
  "format" | "scope" | "epoch" | "after" | "upTo" | "at" | "file" | "sha256" | "records"
>;

/** Runs of one format and scope in one incarnation of the log. */
export type RunSeries<Run extends ArchiveRun = ArchiveRun> = {
  readonly format: string;
  readonly scope: Readonly<Record<string, string>>;
  readonly epoch: string;
  /** By where they begin; of one range again and again the first. */
  readonly runs: readonly Run[];
  /** What the first begins after: 0 when nothing of the log is before it. */
  readonly beginsAfter: number;
  readonly upTo: number;
  /** Stretches that no run is of, though runs before and behind are. */
  readonly gaps: readonly Stretch[];
  /** Stretches that two different runs are of. */
  readonly overlaps: readonly Stretch[];
  /** Runs of a range that an earlier one was of already. */
  readonly repeated: readonly Run[];
};
export type Stretch = { readonly after: number; readonly upTo: number };

/** Every series with what is missing in it and what is in it twice: without either its runs tile the log from the first on. */
export const tilingOf = <Run extends ArchiveRun>(runs: readonly Run[]): readonly RunSeries<Run>[] => {
  const series = new Map<string, Run[]>();
  for (const run of runs) {
    const key = seriesKey(run);
    const known = series.get(key);
    if (known === undefined) series.set(key, [run]);
    else known.push(run);
  }
  return [...series.values()].map(seriesOf);
};

const seriesKey = (run: ArchiveRun): string => `${archiveKindOf(run)} ${run.epoch}`;

const seriesOf = <Run extends ArchiveRun>(runs: readonly Run[]): RunSeries<Run> => {
  const [first] = runs;
  if (first === undefined) throw new Error("a series without a run");
  const repeated: Run[] = [];
  const different: Run[] = [];
  for (const run of runs.toSorted((a, b) => a.after - b.after || a.upTo - b.upTo || a.at - b.at)) {
    const last = different.at(-1);
    if (last?.after === run.after && last.upTo === run.upTo) repeated.push(run);
    else different.push(run);
  }
  const gaps: Stretch[] = [];
  const overlaps: Stretch[] = [];
  const beginsAfter = different[0]?.after ?? 0;
  let upTo = beginsAfter;
  for (const run of different) {
    if (run.after > upTo) gaps.push({ after: upTo, upTo: run.after });
    if (run.after < upTo) overlaps.push({ after: run.after, upTo: Math.min(upTo, run.upTo) });
    upTo = Math.max(upTo, run.upTo);
  }
  const { format, scope, epoch } = first;
  return { format, scope, epoch, runs: different, beginsAfter, upTo, gaps, overlaps, repeated };
};
