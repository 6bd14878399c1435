import type { Collection } from "mongodb";
import type { Checkpoint } from "../../../../projections/ports/view-store.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { fieldsIn, positionsIn, smallestCheckpoint, type CheckpointDocument } from "../checkpoints.js";
import { checkpointsId } from "../documents.js";
import { firstGeneration, firstPointer, type Pointer } from "./pointer.js";

/** One moment of the views: which generations there are, and how far each partition has come in each. */
export type Standing = {
  readonly pointer: Pointer;
  /** Undefined for views that nobody has begun. */
  readonly epoch: string | undefined;
  /** By partition; undefined for one that nobody has begun in that generation. */
  readonly checkpoints: (generation: number) => readonly (Checkpoint | undefined)[];
  /** As they are stored, by the names of their fields, for whatever number of partitions. */
  readonly stored: (generation: number) => Readonly<Record<string, number>>;
};

/** As a majority has it. @throws StoreUnavailable */
export const loadStanding = async (
  collection: Collection<CheckpointDocument>,
  partitions: number,
): Promise<Standing> => {
  const stored = await reachable(() => collection.findOne({ _id: checkpointsId.views }));
  if (stored === null) {
    const checkpoints = () => new Array<undefined>(partitions).fill(undefined);
    return { pointer: firstPointer, epoch: undefined, checkpoints, stored: () => ({}) };
  }
  return {
    pointer: stored.generations ?? firstPointer,
    epoch: stored.epoch,
    checkpoints: (generation) => positionsIn(stored, partitions, prefixOf(generation)),
    stored: (generation) => fieldsIn(stored, prefixOf(generation)),
  };
};

/** Of the generation's checkpoints. Those of the first have the names that versions without generations know. */
export const prefixOf = (generation: number): string => (generation === firstGeneration ? "" : `g${generation}_`);

/** By partition, the smallest of the generations. */
export const smallestOf = (
  { checkpoints }: Pick<Standing, "checkpoints">,
  generations: readonly number[],
): readonly (Checkpoint | undefined)[] => {
  const [first = [], ...others] = generations.map(checkpoints);
  return first.map((_, partition) => smallestCheckpoint([first, ...others].map((each) => each[partition])));
};

/** Up to where every partition is projected in a generation; undefined while one has not begun. */
export const reachedIn = ({ checkpoints }: Pick<Standing, "checkpoints">, generation: number): Checkpoint | undefined =>
  smallestCheckpoint(checkpoints(generation));
