import { asPosition, type Position } from "../../../../domain/kernel/stream.js";
import { rowsNames, type RowsName } from "../../../../projections/named.js";

/**
 * Which generations of the views there are, and which of them readers read. A part of the document of the views'
 * checkpoints, so that one read sees one moment of both.
 */
export type Pointer = {
  /** 0: there never was another than the first generation. */
  readonly revision: number;
  readonly entries: readonly Entry[];
  /** No number is taken twice: what a process that slept writes under an old one is in nobody's way. */
  readonly next: number;
};

/**
 * `joining`: on its way to be live; projectors write it already, and nobody reads it. `old`: it was live, and projectors go
 * on with it, so that a reader who does not know yet, and a version that never will, are served what is right.
 */
export type EntryState = "building" | "ready" | "joining" | "live" | "old";
export type Entry = {
  readonly number: number;
  readonly state: EntryState;
  readonly names: readonly RowsName[];
  readonly forkedAt: Position;
};

export const firstGeneration = 1;

export const firstPointer: Pointer = {
  revision: 0,
  entries: [{ number: firstGeneration, state: "live", names: rowsNames, forkedAt: asPosition(0) }],
  next: firstGeneration + 1,
};

export const entryOf = ({ entries }: Pointer, number: number): Entry | undefined =>
  entries.find((entry) => entry.number === number);

export const liveOf = ({ entries }: Pointer): number =>
  entries.find(({ state }) => state === "live")?.number ?? firstGeneration;

/** Those that projectors write. What is being built is its builder's, who comes after them. */
export const writtenOf = ({ entries }: Pointer): readonly number[] =>
  entries.filter(({ state }) => state === "live" || state === "joining" || state === "old").map(({ number }) => number);

export const created = (pointer: Pointer, names: readonly RowsName[], forkedAt: Position): Pointer => ({
  revision: pointer.revision + 1,
  entries: [...pointer.entries, { number: pointer.next, state: "building", names, forkedAt }],
  next: pointer.next + 1,
});

export const withState = (pointer: Pointer, number: number, state: EntryState): Pointer => ({
  ...pointer,
  revision: pointer.revision + 1,
  entries: pointer.entries.map((entry) => (entry.number === number ? { ...entry, state } : entry)),
});

/** Readers read it from now on; what they read before is old. */
export const switched = (pointer: Pointer, number: number): Pointer => ({
  ...withState(withState(pointer, liveOf(pointer), "old"), number, "live"),
  revision: pointer.revision + 1,
});

export const without = (pointer: Pointer, number: number): Pointer => ({
  ...pointer,
  revision: pointer.revision + 1,
  entries: pointer.entries.filter((entry) => entry.number !== number),
});
