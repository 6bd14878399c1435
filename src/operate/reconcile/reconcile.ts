/** Views recomputed from the log and compared with those that are there, beside a running server. */
import { viewsOfNames, type RowsName } from "../../projections/named.js";
import { rowsAsked, whole } from "../../projections/reconcile/subject.js";
import { reconcileSubject } from "../../projections/reconcile/reconcile.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Closers } from "../../profiles/close-all.js";
import { closeQuietly } from "../doctor/probe.js";
import { openToRead } from "../open.js";
import type { LogToRead, Target } from "../target.js";
import { subjectsOf, type Chosen } from "./chosen.js";
import { openEmbeddedViews } from "./embedded.js";
import type { FoundDrift, ViewsToReconcile } from "./views.js";

export type ReconcileOptions = {
  readonly chosen: Chosen;
  /** Rows of these projections alone; without it of all. */
  readonly names?: readonly RowsName[];
  readonly repair: boolean;
  readonly onDrift: (drift: FoundDrift) => void;
  readonly onProgress: (done: number, of: number) => void;
};

export type ReconcileResult = {
  /** Conversations, of a user or whole, and users. */
  readonly subjects: number;
  readonly rows: number;
  readonly drifted: number;
  readonly repaired: number;
};

/** Rows of one repair: a call to a server has a bound. */
const repairMax = 200;

/** @throws (rejects) NotThere, ViewsDamaged, UnreadableEvent, MovedOn, and what the engines reject with */
export const reconcile = async (target: Target, options: ReconcileOptions): Promise<ReconcileResult> => {
  const closers: Closers = [];
  try {
    const { log, epoch, close } = await openToRead(target);
    closers.push(close);
    const { stored, repair } = await openViews(target, log, await epoch(), closers);
    const result = { subjects: 0, rows: 0, drifted: 0, repaired: 0 };
    let waiting: FoundDrift[] = [];
    const mend = async (): Promise<void> => {
      const mending = waiting;
      waiting = [];
      for (const [at, drifts] of byPosition(mending)) result.repaired += await repair(at, drifts);
    };
    const views = options.names === undefined ? {} : { views: viewsOfNames(options.names) };
    for await (const found of subjectsOf(log, options.chosen, options.onProgress)) {
      const subject = { ...found, ...views };
      if (rowsAsked(subject, whole).length === 0) continue;
      result.subjects += 1;
      const { rows, drifted } = await reconcileSubject({ source: log, stored }, subject, async (drift) => {
        options.onDrift(drift);
        if (!options.repair) return;
        waiting.push(drift);
        if (waiting.length >= repairMax) await mend();
      });
      await mend();
      result.rows += rows;
      result.drifted += drifted;
    }
    return result;
  } finally {
    await closeQuietly(closers);
  }
};

const openViews = async (
  target: Target,
  log: LogToRead,
  epoch: string | undefined,
  closers: Closers,
): Promise<ViewsToReconcile> => {
  if (target.profile === "embedded") return openEmbeddedViews(target.dir, epoch, closers);
  const { openDistributedViews } = await import("./distributed.js");
  return openDistributedViews(target.config, log, epoch, closers);
};

const byPosition = (drifts: readonly FoundDrift[]): ReadonlyMap<Position, readonly FoundDrift[]> => {
  const groups = new Map<Position, FoundDrift[]>();
  for (const drift of drifts) groups.set(drift.at, [...(groups.get(drift.at) ?? []), drift]);
  return groups;
};
