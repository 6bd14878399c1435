import type { Db } from "mongodb";
import { noPosition } from "../../../../domain/kernel/stream.js";
import { pause } from "../../../../lib/time.js";
import {
  GenerationRefused,
  type Generation,
  type GenerationReader,
  type Generations,
  type GenerationState,
  type GenerationWriter,
} from "../../../../projections/ports/generations.js";
import type { Checkpoint } from "../../../../projections/ports/view-store.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { checkpointDocuments, GenerationsChanged, joinIn, ViewsOfAnotherLog } from "../checkpoints.js";
import { checkpointsId } from "../documents.js";
import { createIndexes } from "../indexes.js";
import { untilPassing } from "../retry.js";
import { changesWriter } from "../writer.js";
import { changePointer } from "./changing.js";
import { claimsIn } from "./claim.js";
import { figuresOf } from "./figures.js";
import { untilJoined } from "./joining.js";
import { lanesOf } from "./lanes.js";
import { ageMsMax } from "./looks.js";
import { created, entryOf, liveOf, switched, without, withState, type Entry, type Pointer } from "./pointer.js";
import { raisedTo } from "./projecting.js";
import { loadStanding, reachedIn, type Standing } from "./standing.js";
import { storedRowsOf } from "./stored-rows.js";
import { sweep } from "./sweep.js";

export type MongoGenerationsOptions = {
  readonly db: Db;
  /** As every projector and gateway has it. */
  readonly partitions: number;
  /** Told of what is tried again. */
  readonly onProblem?: (error: Error) => void;
  /** How long projectors have to join a generation before its switch is given up. */
  readonly joinMsMax?: number;
};

/** A reader may be so much behind the pointer, and a read of its last moment may last as long again. */
const leaveMs = 2 * ageMsMax;
const joinMsMaxDefault = 30_000;

/**
 * The port's generations: collections beside each other, a pointer and checkpoints in one document. A generation that is
 * being built is written by its builder alone, which raises its checkpoints of all partitions. Before it becomes live
 * projectors join it: from then on each writes all generations, beginning where the slowest is.
 */
export const mongoGenerations = (options: MongoGenerationsOptions): Generations => {
  const { db, partitions, onProblem = () => undefined, joinMsMax = joinMsMaxDefault } = options;
  const collection = checkpointDocuments(db);
  const load = (): Promise<Standing> => loadStanding(collection, partitions);
  const change = (next: (now: Standing) => Pointer | undefined): Promise<Pointer> =>
    changePointer(collection, load, next);
  const claims = claimsIn(db, onProblem);

  const read = async (number: number): Promise<GenerationReader> => {
    const { pointer } = await load();
    held(pointer, number);
    return {
      ...storedRowsOf(db, number),
      checkpoint: async () => reachedIn(await load(), number),
      figures: (view) => figuresOf(db, view, number),
      close: () => Promise.resolve(),
    };
  };
  const write: Generations["write"] = async (number, { lanes = 1 } = {}): Promise<GenerationWriter> => {
    const reader = await read(number);
    const { pointer } = await load();
    const { state } = held(pointer, number);
    if (state === "live" || state === "old") throw liveRefused(number);
    await reachable(() => createIndexes(db, [number]));
    const writer = changesWriter(db, onProblem);
    const everyPartition = Array.from({ length: partitions }, (_, partition) => partition);
    const reached = async ({ position, epoch }: Checkpoint): Promise<void> => {
      const update = raisedTo([number], { raised: everyPartition, partitions, position });
      const where = { "generations.entries.number": number };
      const raise = () => joinIn(collection, checkpointsId.views, epoch, update, where);
      await untilPassing(raise, onProblem).catch((error: unknown) => {
        throw error instanceof GenerationsChanged ? noneRefused(number) : error;
      });
    };
    const { apply, settled } = lanesOf({ write: (changes) => writer(changes, [number]), reached, lanes });
    return {
      ...reader,
      ...{ apply, settled },
      close: async () => {
        // What failed was told to whoever applied it.
        await settled().catch(() => undefined);
        await reader.close();
      },
    };
  };
  return {
    list: async () => {
      const standing = await load();
      return standing.epoch === undefined ? [] : standing.pointer.entries.map((entry) => shown(standing, entry));
    },
    create: async ({ names, epoch }) => {
      const pointer = await change((now) => {
        if (now.epoch === undefined) throw noneRefused(liveOf(now.pointer));
        if (now.epoch !== epoch) throw new ViewsOfAnotherLog(db.databaseName, now.epoch, epoch);
        const unfinished = now.pointer.entries.find(({ state }) => state !== "live" && state !== "old");
        if (unfinished !== undefined) throw unfinishedRefused(unfinished.number);
        return created(now.pointer, names, reachedIn(now, liveOf(now.pointer))?.position ?? noPosition);
      });
      const number = pointer.next - 1;
      // Before its first row: what is built without an index is sorted once more for it.
      await reachable(() => createIndexes(db, [number]));
      return shown(await load(), held(pointer, number));
    },
    read,
    write,
    markReady: async (number) => {
      await change(({ pointer }) =>
        held(pointer, number).state === "building" ? withState(pointer, number, "ready") : undefined,
      );
    },
    switchTo: async (number) => {
      const isLive = ({ state }: Entry): boolean => state === "live";
      await change(({ pointer }) => {
        const { state } = held(pointer, number);
        // One that was live before is written as it was, and needs nobody to join.
        return state === "live" || state === "old" ? undefined : withState(pointer, number, "joining");
      });
      await untilJoined({ load, change, number, msMax: joinMsMax });
      await change(({ pointer }) => (isLive(held(pointer, number)) ? undefined : switched(pointer, number)));
    },
    drop: async (number) => {
      const { pointer: before } = await load();
      await change(({ pointer }) => {
        const entry = entryOf(pointer, number);
        if (entry?.state === "live") throw liveRefused(number);
        return entry === undefined ? undefined : without(pointer, number);
      });
      const wasRead = entryOf(before, number)?.state;
      if (wasRead === "old" || wasRead === "live") await pause(leaveMs);
      await sweep(db, (await load()).pointer);
    },
    claim: claims.claim,
    cancel: claims.cancel,
    close: () => Promise.resolve(),
  };
};

const held = (pointer: Pointer, number: number): Entry => {
  const entry = entryOf(pointer, number);
  if (entry === undefined) throw noneRefused(number);
  return entry;
};

const states: Readonly<Record<Entry["state"], GenerationState>> = {
  building: "building",
  ready: "ready",
  // A switch that was cut short: it is done again, or the generation is dropped.
  joining: "ready",
  live: "live",
  old: "old",
};

const shown = (standing: Standing, { number, state, names, forkedAt }: Entry): Generation => ({
  ...{ number, names, forkedAt, state: states[state] },
  checkpoint: reachedIn(standing, number),
});

const noneRefused = (number: number) =>
  new GenerationRefused("none", `There is no generation ${number} of the views: parley projections status lists them`);
const liveRefused = (number: number) =>
  new GenerationRefused("live", `Generation ${number} of the views is written by projectors, and not to be changed`);
const unfinishedRefused = (number: number) =>
  new GenerationRefused(
    "unfinished",
    `Generation ${number} of the views is not finished: go on with it (projections rebuild), or give it up (projections cancel)`,
  );
