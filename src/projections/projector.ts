import { asPosition, noPosition, type Position, type RecordedEvent } from "../domain/kernel/stream.js";
import type { DeliveryProjector, DeliveryShare } from "./delivery/delivery.js";
import { startFollower } from "./follower.js";
import { partitionOf } from "./partitions.js";
import type { EventSource } from "./ports/event-source.js";
import type { Checkpoint } from "./ports/view-store.js";
import type { ProjectionFailure } from "./runner.js";
import type { ViewChange } from "./view-change.js";
import { keepGoing, type Kept, type OnProblem } from "./keep-trying.js";

/** How far each partition has come; undefined: never started. `raise` never takes one back. */
export type PartitionCheckpoints = {
  readonly load: () => Promise<readonly (Checkpoint | undefined)[]>;
  readonly raise: (partitions: readonly number[], checkpoint: Checkpoint) => Promise<void>;
};

export type ProjectorOptions = {
  readonly source: EventSource;
  readonly epoch: string;
  readonly partitions: number;
  readonly views: {
    readonly write: (changes: readonly ViewChange[]) => Promise<void>;
    /** What is written has become something else, and the views begin again at their checkpoints. Until it is ended. */
    readonly onGenerations?: (changed: () => void) => () => void;
  };
  readonly checkpoints: { readonly views: PartitionCheckpoints; readonly delivery: PartitionCheckpoints };
  /** `onEnded`: delivery has ended by itself; it begins again, at its checkpoint. */
  readonly deliver: (share: DeliveryShare, onEnded: (error: Error) => void) => DeliveryProjector;
  readonly clock: () => number;
  /**
   * Why a part does not go on now, whatever a store or the log answered: it tries again by itself, without end. Undefined
   * when it goes on again, and when it begins.
   */
  readonly onProblem: (part: ProjectorPart, problem: Error | undefined) => void;
  /** A checkpoint of delivery could not be saved; the next one may. */
  readonly onUnsaved: (error: unknown) => void;
  /** The views stand at an event that they cannot read, until the partitions change. Delivery goes on. */
  readonly onFailure: (failure: ProjectionFailure) => void;
};

export type ProjectorPart = "views" | "delivery";

/** Works on the partitions that it is told to hold. */
export type Projector = {
  /** Resolves when nothing else is worked on any more; these begin by themselves. One call at a time. */
  readonly hold: (partitions: readonly number[]) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/**
 * Views and delivery for some partitions of the log: each reads the whole log once, from the farthest behind of its
 * partitions on, and skips what is not its own or done already. One that takes a partition over starts at its
 * checkpoint: what was done after it is done again, which the views' changes and the clients' `pos` make harmless.
 */
export const createProjector = (options: ProjectorOptions): Projector => {
  let stopped = false;
  let working: readonly Kept[] = [];
  const stopWorking = async (): Promise<void> => {
    await Promise.all(working.map((part) => part.stop()));
  };
  return {
    hold: async (partitions) => {
      await stopWorking();
      if (stopped) return;
      // Whatever kept them from going on was of what they held.
      for (const part of ["views", "delivery"] as const) options.onProblem(part, undefined);
      // Neither waits for the other: what keeps the views from beginning is not to keep frames away.
      working = partitions.length === 0 ? [] : [keepViews(options, partitions), keepDelivery(options, partitions)];
    },
    stop: async () => {
      stopped = true;
      await stopWorking();
    },
  };
};

const keepViews = (options: ProjectorOptions, partitions: readonly number[]): Kept => {
  const { source, checkpoints, epoch, onFailure } = options;
  const { write, onGenerations = () => () => undefined } = options.views;
  const onProblem: OnProblem = (problem) => {
    options.onProblem("views", problem);
  };
  const reached = (position: Position) => checkpoints.views.raise(partitions, { position, epoch });
  return keepGoing({
    prepare: () => shareOf(options, partitions, checkpoints.views, noPosition),
    begin: (share, onEnded) => {
      const unwatch = onGenerations(() => {
        onEnded("again");
      });
      const follower = startFollower({ source, ...share, write, reached, onProblem, onEnded, onFailure });
      return {
        stop: async () => {
          unwatch();
          await follower.stop();
        },
      };
    },
    onProblem,
  });
};

const keepDelivery = (options: ProjectorOptions, partitions: readonly number[]): Kept => {
  const { source, checkpoints, epoch } = options;
  const save = (position: Position) => checkpoints.delivery.raise(partitions, { position, epoch });
  return keepGoing({
    prepare: async () => {
      // Delivery has no past to catch up with: a device that was not there syncs.
      const share = await shareOf(options, partitions, checkpoints.delivery, await source.head());
      // A projector that takes over before anything was delivered must not begin at a later head.
      await save(share.from);
      return share;
    },
    begin: (share, onEnded) => {
      const saving = createSaving(save, options.onUnsaved);
      const where = { ...share, isLate: isLateBy(options.clock), onDelivered: saving.save };
      const delivering = options.deliver(where, onEnded);
      return {
        stop: async () => {
          delivering.stop();
          await saving.stop();
        },
      };
    },
    onProblem: (problem) => {
      options.onProblem("delivery", problem);
    },
  });
};

type Share = { readonly from: Position; readonly isMine: (recorded: RecordedEvent) => boolean };

const shareOf = async (
  { partitions: count }: ProjectorOptions,
  partitions: readonly number[],
  checkpoints: PartitionCheckpoints,
  otherwise: Position,
): Promise<Share> => {
  const stored = await checkpoints.load();
  const done = new Map(partitions.map((partition) => [partition, stored[partition]?.position ?? otherwise]));
  return {
    from: asPosition(Math.min(...done.values())),
    isMine: ({ stream, position }) => position > (done.get(partitionOf(stream, count)) ?? Infinity),
  };
};

/** What is older was probably caught up with: then the log says what was deleted since. */
const lateMs = 1_000;

const isLateBy =
  (clock: () => number) =>
  ({ meta }: RecordedEvent): boolean => {
    const at = timeIn(meta);
    return at === undefined || clock() - at > lateMs;
  };

/** Undefined for what is not ours to read: the part that decodes the event says so. */
const timeIn = (meta: string): number | undefined => {
  try {
    const { at } = JSON.parse(meta) as { readonly at?: unknown };
    return typeof at === "number" ? at : undefined;
  } catch {
    return undefined;
  }
};

/** A checkpoint that is behind costs frames that come twice; one for each event would cost more than the event. */
const saveEveryMs = 500;

const createSaving = (save: (position: Position) => Promise<void>, onUnsaved: (error: unknown) => void) => {
  let newest: Position | undefined;
  let saved: Position | undefined;
  let saving: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const saveNewest = async (): Promise<void> => {
    const position = newest;
    if (position === undefined || position === saved) return;
    try {
      await save(position);
      saved = position;
    } catch (error) {
      onUnsaved(error);
    }
  };
  const later = (): void => {
    timer ??= setTimeout(() => {
      saving = saveNewest().finally(() => {
        timer = undefined;
        if (newest !== saved) later();
      });
    }, saveEveryMs);
  };
  return {
    save: (position: Position): void => {
      newest = position;
      later();
    },
    stop: async (): Promise<void> => {
      clearTimeout(timer);
      await saving;
      clearTimeout(timer);
      await saveNewest();
    },
  };
};
