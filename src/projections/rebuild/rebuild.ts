import { noPosition, type Position } from "../../domain/kernel/stream.js";
import { rowsNames, viewsOfNames, type RowsName } from "../named.js";
import type { EventSource } from "../ports/event-source.js";
import {
  GenerationRefused,
  type Claim,
  type Generation,
  type GenerationReader,
  type Generations,
  type GenerationWriter,
} from "../ports/generations.js";
import type { Project } from "../runner.js";
import { views } from "../registry.js";
import type { Key, ViewName } from "../view-change.js";
import { changesOfRow } from "../views/stored-row.js";
import { compareAll } from "./compare-all.js";
import { fill } from "./fill.js";
import { paceOf, type Pace } from "./pace.js";
import type { FillThreads } from "./parts.js";
import { sampleOf, type Sample } from "./sample.js";
import type { Difference } from "./settle.js";

export type RebuildPhase = "copy" | "fill" | "compare";

export type RebuildOptions = {
  readonly source: Pick<EventSource, "readAll" | "readStream">;
  readonly generations: Generations;
  readonly names: readonly RowsName[];
  /** What an unfinished rebuild has done is thrown away. */
  readonly fromScratch?: boolean;
  /** Threads that project, or batches that are written at once, as the engine has it; 1 without it: one after the other. */
  readonly parallel?: number;
  /** Where threads can read the log by ranges: starts so many. */
  readonly startThreads?: (count: number) => FillThreads;
  /** Of the log read and of rows copied; without it as fast as it goes. */
  readonly maxEventsPerSecond?: number;
  /** Readers go over to the new generation though it differs. */
  readonly acceptDiff?: boolean;
  /** Makes readers go over; resolves when they have. */
  readonly switchTo: (number: number) => Promise<void>;
  /**
   * Where others follow the log for the new generation from `forkedAt` on: resolves when they hold the position. Without
   * it this rebuild reads the log on by itself.
   */
  readonly othersBringTo?: (number: number, position: Position) => Promise<void>;
  /** Up to where rows of the live generation may be ahead of its checkpoint, where the store is not atomic. */
  readonly liveMayHold?: () => Promise<Position>;
  /** How far a phase is: rows copied, positions of the log, rows compared (`of` 0: unknown). */
  readonly onProgress?: (phase: RebuildPhase, done: number, of: number) => void;
  /** Of another build, for tests. */
  readonly project?: Project;
  /** Events of one batch; 2,000 without it. */
  readonly batchEventsMax?: number;
};

export type RebuildReport = {
  readonly generation: number;
  readonly names: readonly RowsName[];
  /** Where it went on, when it did: an earlier one was killed there. */
  readonly resumedAt: Position | null;
  /** Events projected by this process. */
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly parallel: number;
  /** Of the log, up to which both generations were compared at least. */
  readonly position: Position;
  readonly rowsCompared: number;
  readonly different: number;
  /** They differ so much that not all were looked at again: `different` is of the first 10,000 or so, and these come to it. */
  readonly notLookedAt: number;
  readonly differentByView: Readonly<Partial<Record<ViewName, number>>>;
  readonly samples: readonly Sample[];
  readonly switched: boolean;
};

/** Somebody asked to give up: the unfinished generation is gone. */
export class RebuildCancelled extends Error {
  constructor() {
    super("The rebuild was cancelled; the generation that it was building is gone. Nothing changed for readers");
    this.name = "RebuildCancelled";
  }
}

const samplesMax = 10;
const copyRows = 500;

/**
 * Builds the views named anew beside the live ones, compares, and makes readers go over when nothing differs. It goes on
 * where a killed one ended. Nothing that readers see is touched before.
 * @throws (rejects) RebuildCancelled; GenerationRefused: another is under way (`claimed`), an unfinished one is of other
 * names (`unfinished`), there are no views yet (`none`); Error for an event that cannot be projected
 */
export const rebuild = async (options: RebuildOptions): Promise<RebuildReport> => {
  const { generations, parallel = 1, maxEventsPerSecond } = options;
  const claim = await generations.claim();
  try {
    const generation = await generationFor(options);
    const live = await liveOf(generations);
    const reader = await generations.read(live.number);
    const writer = await generations.write(generation.number, { lanes: parallel });
    const threads = threadsFor(options, parallel);
    const pace = paceOf(maxEventsPerSecond);
    try {
      return await work({ ...options, ...threads, parallel, generation, reader, writer, claim, pace });
    } catch (error) {
      // What is under way is over before anybody drops what it writes; that it failed as well changes nothing.
      await writer.settled().catch(() => undefined);
      if (error instanceof RebuildCancelled) await generations.drop(generation.number);
      throw error;
    } finally {
      await threads.threads?.close();
      await writer.close();
      await reader.close();
    }
  } finally {
    await claim.release();
  }
};

/** Another build's projection is a function of this thread. */
const threadsFor = ({ startThreads, project }: RebuildOptions, count: number): Pick<Work, "threads"> =>
  startThreads === undefined || project !== undefined || count === 1
    ? {}
    : { threads: { count, ...startThreads(count) } };

type Work = RebuildOptions & {
  readonly parallel: number;
  readonly threads?: FillThreads & { readonly count: number };
  readonly generation: Generation;
  readonly reader: GenerationReader;
  readonly writer: GenerationWriter;
  readonly claim: Claim;
  readonly pace: Pace;
};

const work = async (given: Work): Promise<RebuildReport> => {
  const { generation, reader, writer, generations, source } = given;
  const resumedAt = generation.checkpoint?.position ?? null;
  if (resumedAt === null) await copyOthers(given);
  const filling = fillerOf(given);
  const began = performance.now();
  await filling.bringTo(await positionOf(reader));
  const [events, ms] = [filling.events(), performance.now() - began];
  const { different, notLookedAt, rowsCompared } = await compareAll({
    ...{ source, live: reader, built: writer, bringTo: filling.bringTo },
    ...(given.liveMayHold === undefined ? {} : { liveMayHold: given.liveMayHold }),
    onRows: async (rows) => {
      await unlessCancelled(given);
      given.onProgress?.("compare", rows, 0);
    },
  });
  // Those who go over to it are to find it where the live one is, or nearly.
  await filling.bringTo(await positionOf(reader));
  await generations.markReady(generation.number);
  const mayGoOver = (different.length === 0 && notLookedAt === 0) || given.acceptDiff === true;
  const samples: Sample[] = [];
  for (const difference of different.slice(0, samplesMax)) samples.push(await sampleOf(source, difference));
  if (mayGoOver) {
    await unlessCancelled(given);
    await given.switchTo(generation.number);
  }
  return {
    generation: generation.number,
    names: generation.names,
    resumedAt,
    events,
    eventsPerSecond: Math.round((events / Math.max(1, ms)) * 1_000),
    parallel: given.parallel,
    position: await positionOf(writer),
    rowsCompared,
    different: different.length,
    notLookedAt,
    differentByView: countedByView(different),
    samples,
    switched: mayGoOver,
  };
};

/** The unfinished one of a killed rebuild, or a new one. */
const generationFor = async (options: RebuildOptions): Promise<Generation> => {
  const { generations } = options;
  const names = rowsNames.filter((name) => options.names.includes(name));
  const live = await liveOf(generations);
  const unfinished = (await generations.list()).find(({ state }) => state === "building" || state === "ready");
  if (unfinished !== undefined && options.fromScratch !== true) {
    if (unfinished.names.join() === names.join()) return unfinished;
    throw new GenerationRefused(
      "unfinished",
      `A rebuild of ${unfinished.names.join(", ")} is unfinished (generation ${unfinished.number}). Name the same to go on with it, give it up with parley projections cancel, or begin anew with --from-scratch`,
    );
  }
  if (unfinished !== undefined) await generations.drop(unfinished.number);
  return generations.create({ names, epoch: live.checkpoint?.epoch ?? "" });
};

/** The one that readers see. @throws (rejects) GenerationRefused (`none`) before it holds anything */
const liveOf = async (generations: Generations): Promise<Generation> => {
  const live = (await generations.list()).find(({ state }) => state === "live");
  if (live?.checkpoint === undefined)
    throw new GenerationRefused("none", "There are no views yet: start Parley, which builds them from the log");
  return live;
};

/** Whatever is not of the names. A row that is copied is at least as new as `forkedAt`, and may be newer. */
const copyOthers = async (given: Work): Promise<void> => {
  const { generation, reader, writer, pace } = given;
  const own = new Set<ViewName>(viewsOfNames(generation.names));
  let copied = 0;
  for (const view of (Object.keys(views) as ViewName[]).filter((view) => !own.has(view)))
    for (let after: Key | undefined; ;) {
      await unlessCancelled(given);
      const rows = await reader.rows(view, { limit: copyRows, ...(after === undefined ? {} : { after }) });
      await writer.apply(rows.flatMap((row) => changesOfRow(view, row)));
      copied += rows.length;
      given.onProgress?.("copy", copied, 0);
      await pace.after(rows.length);
      if (rows.length < copyRows) break;
      after = rows.at(-1)?.key;
    }
  await writer.apply([], { position: noPosition, epoch: epochOf(generation, await reader.checkpoint()) });
};

const epochOf = ({ checkpoint }: Generation, live: { readonly epoch: string } | undefined): string =>
  checkpoint?.epoch ?? live?.epoch ?? "";

/** Brings the new generation on: by itself, or, behind its fork, by others. The first time is the work that is shown. */
const fillerOf = (given: Work) => {
  const { generation, reader, writer, othersBringTo } = given;
  let [events, isShown] = [0, true];
  return {
    events: () => events,
    bringTo: async (position: Position): Promise<void> => {
      const upTo = othersBringTo === undefined ? position : generation.forkedAt;
      const epoch = epochOf(generation, await reader.checkpoint());
      const before = events;
      const onBatch = async (at: Position, done: number): Promise<void> => {
        await unlessCancelled(given);
        events = before + done;
        if (isShown) given.onProgress?.("fill", at, upTo);
      };
      await fill({ ...given, epoch, onBatch }, await positionOf(writer), upTo);
      isShown = false;
      await othersBringTo?.(generation.number, position);
    },
  };
};

const positionOf = async (reader: GenerationReader): Promise<Position> =>
  (await reader.checkpoint())?.position ?? noPosition;

const unlessCancelled = async ({ claim }: Work): Promise<void> => {
  if (await claim.isCancelled()) throw new RebuildCancelled();
};

const countedByView = (different: readonly Difference[]): Readonly<Partial<Record<ViewName, number>>> => {
  const counts: Partial<Record<ViewName, number>> = {};
  for (const { view } of different) counts[view] = (counts[view] ?? 0) + 1;
  return counts;
};
