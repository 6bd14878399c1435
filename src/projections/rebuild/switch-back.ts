import { noPosition, type Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import { GenerationRefused, type Claim, type Generation, type Generations } from "../ports/generations.js";
import { fill } from "./fill.js";
import { paceOf } from "./pace.js";

export type SwitchBackOptions = {
  readonly source: Pick<EventSource, "readAll">;
  readonly generations: Generations;
  /** Makes readers go over; resolves when they have. */
  readonly switchTo: (number: number) => Promise<void>;
  /** Projectors write old generations on: nothing is to be caught up with. */
  readonly oldAreWritten?: boolean;
  /** The one to go back to; without it the only old one. */
  readonly number?: number;
  readonly maxEventsPerSecond?: number;
  /** Events of one batch; 2,000 without it. */
  readonly batchEventsMax?: number;
  /** How far it has come, and how far it has to come. */
  readonly onProgress?: (position: Position, of: Position) => void;
};

export type SwitchedBack = {
  readonly from: number;
  readonly to: number;
  /** Where it stood. */
  readonly before: Position;
  /** Up to where it holds the log now. */
  readonly position: Position;
  readonly events: number;
};

/** Somebody asked to give up: readers stay where they were, and the old generation is old, further on than before. */
export class SwitchBackCancelled extends Error {
  constructor() {
    super("Going back was cancelled. Nothing changed for readers; the same command goes on where it was");
    this.name = "SwitchBackCancelled";
  }
}

/**
 * Readers go back to a generation that was kept, when it holds what the live one does: one that nobody has written since is
 * brought on first. The live one is old then, and kept.
 * @throws (rejects) GenerationRefused: there is none (`none`), it is of a rebuild (`unfinished`), of another version
 * (`version`), or of another incarnation of the log (`epoch`), several are kept and none is named (`unclear`), a rebuild is
 * under way (`claimed`); SwitchBackCancelled; Error for an event that cannot be projected
 */
export const switchBack = async (options: SwitchBackOptions): Promise<SwitchedBack> => {
  const { generations } = options;
  const claim = await generations.claim();
  try {
    const all = await generations.list();
    const live = all.find(({ state }) => state === "live");
    if (live?.checkpoint === undefined) throw new GenerationRefused("none", "There are no views yet: start Parley");
    const target = chosenOf(all, options.number);
    const before = target.checkpoint?.position ?? noPosition;
    const is = { from: live.number, to: target.number, before };
    if (target.number === live.number) return { ...is, position: before, events: 0 };
    if (target.checkpoint !== undefined && target.checkpoint.epoch !== live.checkpoint.epoch)
      throw new GenerationRefused(
        "epoch",
        `Generation ${target.number} was made from another incarnation of the log (epoch ${target.checkpoint.epoch}): drop it (parley projections drop ${target.number}), and rebuild`,
      );
    const caughtUp = options.oldAreWritten === true ? undefined : await catchUp(options, { live, target, claim });
    if (await claim.isCancelled()) throw new SwitchBackCancelled();
    await options.switchTo(target.number);
    const now = (await generations.list()).find(({ number }) => number === target.number);
    return { ...is, position: now?.checkpoint?.position ?? before, events: caughtUp ?? 0 };
  } finally {
    await claim.release();
  }
};

const chosenOf = (all: readonly Generation[], number: number | undefined): Generation => {
  const old = all.filter(({ state }) => state === "old");
  const kept = old.length === 0 ? "none is kept" : `kept: ${old.map((one) => one.number).join(", ")}`;
  if (number === undefined) {
    const [only] = old;
    if (only === undefined)
      throw new GenerationRefused("none", "No old generation is kept: parley projections rebuild makes the views anew");
    if (old.length > 1) throw new GenerationRefused("unclear", `Name the generation to go back to (${kept})`);
    return only;
  }
  const generation = all.find((one) => one.number === number);
  if (generation === undefined) throw new GenerationRefused("none", `There is no generation ${number} (${kept})`);
  if (generation.state === "building" || generation.state === "ready")
    throw new GenerationRefused(
      "unfinished",
      `Generation ${number} is of an unfinished rebuild, and was never live: go on with it (parley projections rebuild), or give it up (parley projections cancel)`,
    );
  return generation;
};

type CatchUp = { readonly live: Generation; readonly target: Generation; readonly claim: Claim };

/** As far as the live one is by now: the last steps are the server's, which lets nobody see less. @returns events */
const catchUp = async (options: SwitchBackOptions, { live, target, claim }: CatchUp): Promise<number> => {
  const { generations, source, onProgress } = options;
  const reader = await generations.read(live.number);
  const writer = await generations.write(target.number);
  try {
    const checkpoint = await reader.checkpoint();
    const upTo = checkpoint?.position ?? noPosition;
    let events = 0;
    await fill(
      {
        ...{ source, writer, generation: target, epoch: checkpoint?.epoch ?? "" },
        pace: paceOf(options.maxEventsPerSecond),
        ...(options.batchEventsMax === undefined ? {} : { batchEventsMax: options.batchEventsMax }),
        onBatch: async (position, done) => {
          if (await claim.isCancelled()) throw new SwitchBackCancelled();
          events = done;
          onProgress?.(position, upTo);
        },
      },
      target.checkpoint?.position ?? noPosition,
      upTo,
    );
    return events;
  } finally {
    await writer.close();
    await reader.close();
  }
};
