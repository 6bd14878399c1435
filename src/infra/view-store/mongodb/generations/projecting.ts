import type { Collection, Db } from "mongodb";
import type { ViewChange } from "../../../../projections/view-change.js";
import {
  fieldOf,
  GenerationsChanged,
  joinIn,
  whileRevision,
  type CheckpointDocument,
  type Checkpoints,
} from "../checkpoints.js";
import { checkpointsId } from "../documents.js";
import { untilPassing } from "../retry.js";
import { changesWriter } from "../writer.js";
import type { Looks } from "./looks.js";
import { writtenOf, type Pointer } from "./pointer.js";
import { prefixOf, smallestOf, type Standing } from "./standing.js";

/** How one projector writes the views: all generations that are live, joining or old, from where the slowest of them is. */
export type Projecting = {
  readonly write: (changes: readonly ViewChange[]) => Promise<void>;
  readonly checkpoints: Checkpoints;
};

export type ProjectingOptions = {
  readonly db: Db;
  readonly collection: Collection<CheckpointDocument>;
  readonly partitions: number;
  readonly first: Standing;
  readonly looks: Looks;
  readonly onProblem: (error: Error) => void;
};

/**
 * A projector begins (`load`), and from then on writes the generations that there were; when they become others it begins
 * again. A generation's checkpoint says that all before it is written there, and is raised by nobody who did not write it:
 * so a process that does not know of a generation moves nothing of it, and one that goes on after such a process begins
 * before what that one left out.
 */
export const createProjecting = (options: ProjectingOptions): Projecting => {
  const { db, collection, partitions, first, looks, onProblem } = options;
  const writer = changesWriter(db, onProblem);
  let begun: Pointer = first.pointer;
  let written = writtenOf(begun);
  return {
    write: (changes) => writer(changes, written),
    checkpoints: {
      load: async () => {
        const standing = await looks.look();
        begun = standing.pointer;
        written = writtenOf(begun);
        return smallestOf(standing, written);
      },
      raise: async (raised, { position, epoch }) => {
        const update = raisedTo(written, { raised, partitions, position });
        const where = whileRevision(begun.revision);
        try {
          await untilPassing(() => joinIn(collection, checkpointsId.views, epoch, update, where), onProblem);
        } catch (error) {
          // Whoever watches hears of it at once.
          if (error instanceof GenerationsChanged) await looks.look();
          throw error;
        }
      },
    },
  };
};

type Raised = { readonly raised: readonly number[]; readonly partitions: number; readonly position: number };

/** In each of the generations, and never back. */
export const raisedTo = (generations: readonly number[], { raised, partitions, position }: Raised) => {
  const fields = generations.flatMap((generation) =>
    raised.map((partition) => [fieldOf(partition, partitions, prefixOf(generation)), position] as const),
  );
  // MongoDB refuses an empty `$max` before version 5.
  return fields.length === 0 ? {} : { $max: Object.fromEntries(fields) };
};
