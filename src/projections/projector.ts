import type { Position, RecordedEvent } from "../domain/kernel/stream.js";
import type { DeliveryProjector, DeliveryShare } from "./delivery/delivery.js";
import { startFollower } from "./follower.js";
import { partitionOf } from "./partitions.js";
import type { Checkpoint, EventSource } from "./ports.js";
import type { ProjectionFailure } from "./runner.js";
import type { ViewChange } from "./view-change.js";
import { whileAway } from "./while-away.js";

/** How far each partition has come; undefined: never started. `raise` never takes one back. */
export type PartitionCheckpoints = {
  readonly load: () => Promise<readonly (Checkpoint | undefined)[]>;
  readonly raise: (partitions: readonly number[], checkpoint: Checkpoint) => Promise<void>;
};

export type ProjectorOptions = {
  readonly source: EventSource;
  readonly epoch: string;
  readonly partitions: number;
  readonly views: { readonly write: (changes: readonly ViewChange[]) => Promise<void> };
  readonly checkpoints: { readonly views: PartitionCheckpoints; readonly delivery: PartitionCheckpoints };
  readonly deliver: (share: DeliveryShare) => DeliveryProjector;
  readonly clock: () => number;
  /** A store or the log is away; the projector tries again by itself. */
  readonly onAway: (error: unknown) => void;
  /** The views cannot go on: an event that cannot be projected, or a store that answers nonsense. Delivery goes on. */
  readonly onFailure: (failure: ProjectionFailure) => void;
};

/** Works on the partitions that it is told to hold. */
export type Projector = {
  /** Resolves when it works on exactly these. One call at a time. */
  readonly hold: (partitions: readonly number[]) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/**
 * Views and delivery for some partitions of the log: each reads the whole log once, from the farthest behind of its
 * partitions on, and skips what is not its own or done already. Whoever takes a partition over starts at its checkpoint:
 * what was done after it is done again, which the views' changes and the clients' `pos` make harmless.
 */
export const createProjector = (options: ProjectorOptions): Projector => {
  let stopped = false;
  const isStopped = (): boolean => stopped;
  let working: { readonly stop: () => Promise<void> } | undefined;
  const hold = async (partitions: readonly number[]): Promise<void> => {
    await working?.stop();
    working = undefined;
    if (partitions.length === 0 || stopped) return;
    const started = await whileAway(() => startWork(options, partitions), isStopped, options.onAway);
    if (isStopped()) await started.stop();
    else working = started;
  };
  return {
    hold,
    stop: async () => {
      stopped = true;
      await working?.stop();
    },
  };
};

const startWork = async (options: ProjectorOptions, partitions: readonly number[]) => {
  const { source, checkpoints, epoch } = options;
  const head = await source.head();
  const views = await shareOf(options, partitions, checkpoints.views, 0);
  // Delivery has no past to catch up with: whoever was not there syncs.
  const delivery = await shareOf(options, partitions, checkpoints.delivery, head);
  // Whoever takes over before anything was delivered must not begin at a later head.
  await checkpoints.delivery.raise(partitions, { position: delivery.from, epoch });
  const follower = startFollower({
    source,
    ...views,
    write: options.views.write,
    reached: (position) => checkpoints.views.raise(partitions, { position, epoch }),
    onAway: options.onAway,
    onFailure: options.onFailure,
  });
  const saving = createSaving(
    (position) => checkpoints.delivery.raise(partitions, { position, epoch }),
    options.onAway,
  );
  const delivering = options.deliver({ ...delivery, isLate: isLateBy(options.clock), onDelivered: saving.save });
  return {
    stop: async () => {
      delivering.stop();
      await Promise.all([follower.stop(), saving.stop()]);
    },
  };
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
    from: Math.min(...done.values()),
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

/** Undefined for what is not ours to read: whoever decodes the event says so. */
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

const createSaving = (save: (position: Position) => Promise<void>, onAway: (error: unknown) => void) => {
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
      onAway(error);
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
