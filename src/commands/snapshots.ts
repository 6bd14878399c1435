import { setImmediate as nextTurn } from "node:timers/promises";
import type { Chunk, SnapshotFormat } from "../domain/kernel/chunks.snapshot.js";
import type { StreamName } from "../domain/kernel/stream.js";
import { asError } from "../lib/errors.js";
import type { SnapshotHead, SnapshotStore } from "./ports.js";
import type { Folded, Loaded } from "./routes.js";

/**
 * Takes snapshots beside the commands, which never wait for one, and finds them again. Nothing here fails a command: a
 * snapshot that cannot be read or saved is reported, and means a longer fold.
 */
export type Snapshots<State, Index> = {
  /** Where a fold may begin; undefined: at the start. */
  readonly find: (stream: StreamName) => Promise<Loaded<State, Index> | undefined>;
  /** Saves what has grown enough since the last snapshot. Returns what to go on with: it says when the last one was. */
  readonly keep: (stream: StreamName, loaded: Loaded<State, Index>) => Loaded<State, Index>;
  /** Saves what leaves memory, from fewer events on: what is too quiet for `keep` would be folded as far each time that it is used again. */
  readonly leave: (stream: StreamName, loaded: Loaded<State, Index>) => void;
  /** Resolves when nothing waits to be saved. */
  readonly idle: () => Promise<void>;
};

/**
 * Half of what a cold load may have to read, so that it holds while the next snapshot is still being saved. To read and
 * fold an event costs some 7 µs, to save a full window 1.7 ms: 3 µs of each message if that was done every 500, 1 so.
 */
const everyEvents = 2_000;
/** Of what leaves memory. */
const everyEventsLeaving = 500;
/** Snapshots that wait to be saved; beyond it an aggregate is saved when it changes again. */
const waitingMax = 64;

type Waiting = { readonly stream: StreamName; readonly snapshot: SnapshotHead & { readonly chunks: readonly Chunk[] } };

export const createSnapshots = <State, Index>(
  store: SnapshotStore,
  { version, chunksOf, stateOf }: SnapshotFormat<Folded<State, Index>>,
  onFailure: (error: Error) => void,
): Snapshots<State, Index> => {
  const waiting: Waiting[] = [];
  let saving: Promise<void> | undefined;

  const saveAll = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      // Behind whatever commands wait in this turn of the event loop.
      await nextTurn();
      try {
        await store.save(next.stream, next.snapshot);
      } catch (error) {
        onFailure(asError(error));
      }
    }
    saving = undefined;
  };

  const save = (stream: StreamName, loaded: Loaded<State, Index>, everyEventsNow: number): Loaded<State, Index> => {
    const { revision, eventId, snapshotAt } = loaded;
    if (revision - snapshotAt < everyEventsNow || waiting.length >= waitingMax) return loaded;
    waiting.push({ stream, snapshot: { version, revision, eventId, chunks: chunksOf(loaded) } });
    saving ??= saveAll();
    return { ...loaded, snapshotAt: revision };
  };

  return {
    find: async (stream) => {
      try {
        const found = await store.load(stream, version);
        if (found === undefined) return undefined;
        const { revision, eventId, chunks } = found;
        return { ...stateOf(chunks), revision, eventId, snapshotAt: revision };
      } catch (error) {
        onFailure(asError(error));
        return undefined;
      }
    },
    keep: (stream, loaded) => save(stream, loaded, everyEvents),
    leave: (stream, loaded) => void save(stream, loaded, everyEventsLeaving),
    idle: () => saving ?? Promise.resolve(),
  };
};

/** For aggregates that are always folded from the start. */
export const noSnapshots = <State, Index>(): Snapshots<State, Index> => ({
  find: () => Promise.resolve(undefined),
  keep: (_, loaded) => loaded,
  leave: () => undefined,
  idle: () => Promise.resolve(),
});
