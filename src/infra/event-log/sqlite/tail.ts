/**
 * The newest events of the log, by stream: those that `stream_index` does not know yet. Revisions of a stream have no
 * gap, so a stream's tail is its first revision and a list of positions.
 */
import type { Position, Revision } from "../../../domain/kernel/stream.js";

export type StreamTail = { readonly first: Revision; readonly positions: Position[] };

/** Bounded by its owner: the log catches its index up and clears it (`tailEventsMax`). */
export type Tail = {
  readonly size: () => number;
  /** In position order. */
  readonly add: (stream: number, revision: Revision, position: Position) => void;
  readonly of: (stream: number) => StreamTail | undefined;
  readonly clear: () => void;
};

export const createTail = (): Tail => {
  const streams = new Map<number, StreamTail>();
  let size = 0;
  return {
    size: () => size,
    add: (stream, revision, position) => {
      size++;
      const known = streams.get(stream);
      if (known === undefined) streams.set(stream, { first: revision, positions: [position] });
      else known.positions.push(position);
    },
    of: (stream) => streams.get(stream),
    clear: () => {
      streams.clear();
      size = 0;
    },
  };
};
