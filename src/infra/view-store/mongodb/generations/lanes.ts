import { asError } from "../../../../lib/errors.js";
import type { Checkpoint } from "../../../../projections/ports/view-store.js";
import type { ViewChange } from "../../../../projections/view-change.js";
import { idOf } from "../documents.js";

export type LanesOptions = {
  /** Writes some changes of a batch. */
  readonly write: (changes: readonly ViewChange[]) => Promise<void>;
  /** Everything up to the checkpoint is written. */
  readonly reached: (checkpoint: Checkpoint) => Promise<void>;
  readonly lanes: number;
};

export type Lanes = {
  /** See `GenerationWriter`. As many batches as there are lanes are under way at most. */
  readonly apply: (changes: readonly ViewChange[], checkpoint?: Checkpoint) => Promise<void>;
  readonly settled: () => Promise<void>;
};

/**
 * Several writes at once that never meet in a row: each row has its lane, and a lane writes what it gets of one batch after
 * that of the other. Two bulks that hold the same row would wait for each other. The checkpoint of a batch is raised when
 * all lanes have written theirs of it and of all before it.
 */
export const lanesOf = ({ write, reached, lanes }: LanesOptions): Lanes => {
  const tails = Array.from({ length: lanes }, () => Promise.resolve());
  let raised = Promise.resolve();
  /** Oldest first. Bounded: `apply` waits for the oldest. */
  const underWay: Promise<void>[] = [];
  let failure: Error | undefined;
  /** Once something has failed nothing more is written: no checkpoint may go beyond it. */
  const unlessFailed = async (work: () => Promise<void>): Promise<void> => {
    if (failure !== undefined) return;
    await work().catch((error: unknown) => {
      failure ??= asError(error);
    });
  };
  /** Never rejects. */
  const begin = (changes: readonly ViewChange[], checkpoint: Checkpoint | undefined): Promise<void> => {
    for (const [lane, part] of partsOf(changes, lanes))
      tails[lane] = (tails[lane] ?? Promise.resolve()).then(() => unlessFailed(() => write(part)));
    const written = Promise.all([raised, ...tails]);
    raised = written.then(() => (checkpoint === undefined ? undefined : unlessFailed(() => reached(checkpoint))));
    return raised;
  };
  const thrown = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    apply: async (changes, checkpoint) => {
      thrown();
      underWay.push(begin(changes, checkpoint));
      while (underWay.length >= lanes) await underWay.shift();
      thrown();
    },
    settled: async () => {
      await raised;
      underWay.length = 0;
      thrown();
    },
  };
};

const partsOf = (changes: readonly ViewChange[], lanes: number): ReadonlyMap<number, readonly ViewChange[]> => {
  const parts = new Map<number, ViewChange[]>();
  for (const change of changes) {
    const lane = lanes === 1 ? 0 : laneOf(change, lanes);
    const part = parts.get(lane);
    if (part === undefined) parts.set(lane, [change]);
    else part.push(change);
  }
  return parts;
};

/** The same for every change of a row. FNV-1a. */
const laneOf = ({ view, key }: ViewChange, lanes: number): number => {
  const name = `${view} ${idOf(...key)}`;
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % lanes;
};
