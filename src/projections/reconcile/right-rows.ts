import type { EventType } from "../../domain/catalogue.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { presentFacts, rowName, type ViewRow } from "../ports/stored-rows.js";
import type { Key, Value, Versioned, ViewChange, ViewName } from "../view-change.js";

/** The event that a value follows from. */
export type Proof = Pick<RecordedEvent, "position" | "stream" | "revision"> & { readonly type: EventType };

/** A row as the log says it is, and of each of its fields the event that says so. */
export type RightRow = ViewRow & { readonly proofs: Readonly<Record<string, Proof>> };

/** What events after some position have done to a row. */
export type Moved = {
  /** As it was before them. */
  readonly before: ViewRow | undefined;
  readonly assigned: Readonly<Record<string, readonly Versioned[]>>;
};

/** The join of changes, row by row, that knows which event won each field. */
export type RightRows = {
  readonly apply: (changes: readonly ViewChange[], proof: Proof) => void;
  readonly get: (name: string) => RightRow | undefined;
  readonly all: () => IterableIterator<RightRow>;
  readonly size: () => number;
  readonly drop: (name: string) => void;
  /** From here on it is noted what events do to rows. */
  readonly note: () => void;
  readonly moved: (name: string) => Moved | undefined;
};

type Growing = {
  readonly view: ViewName;
  readonly key: Key;
  facts: Readonly<Record<string, Value>>;
  readonly raised: Record<string, number>;
  readonly registers: Record<string, Readonly<Versioned>>;
  readonly proofs: Record<string, Proof>;
};

export const createRightRows = (): RightRows => {
  const rows = new Map<string, Growing>();
  let moved: Map<string, { before: ViewRow | undefined; assigned: Record<string, Versioned[]> }> | undefined;

  const noteMove = (name: string, change: ViewChange): void => {
    if (moved === undefined) return;
    let here = moved.get(name);
    if (here === undefined) moved.set(name, (here = { before: copyOf(rows.get(name)), assigned: {} }));
    if (change.kind === "assign")
      for (const [field, value] of Object.entries(change.fields))
        (here.assigned[field] ??= []).push({ value, version: change.version });
  };

  return {
    apply: (changes, proof) => {
      for (const change of changes) {
        const name = rowName(change);
        noteMove(name, change);
        let row = rows.get(name);
        if (row === undefined) {
          row = { view: change.view, key: change.key, facts: {}, raised: {}, registers: {}, proofs: {} };
          rows.set(name, row);
        }
        join(row, change, proof);
      }
    },
    get: (name) => rows.get(name),
    all: () => rows.values(),
    size: () => rows.size,
    drop: (name) => void rows.delete(name),
    note: () => (moved = new Map()),
    moved: (name) => moved?.get(name),
  };
};

const copyOf = (row: Growing | undefined): ViewRow | undefined =>
  row && { ...row, raised: { ...row.raised }, registers: { ...row.registers } };

const join = (row: Growing, change: ViewChange, proof: Proof): void => {
  switch (change.kind) {
    case "insert":
      row.facts = presentFacts(change.facts);
      for (const field in change.facts) row.proofs[field] = proof;
      return;
    case "raise":
      for (const [field, value] of Object.entries(change.fields)) {
        const known = row.raised[field];
        if (known !== undefined && value <= known) continue;
        row.raised[field] = value;
        row.proofs[field] = proof;
      }
      return;
    case "assign":
      for (const [field, value] of Object.entries(change.fields)) {
        const known = row.registers[field];
        if (known !== undefined && change.version <= known.version) continue;
        row.registers[field] = { value, version: change.version };
        row.proofs[field] = proof;
      }
  }
};

export const proofOf = ({ stream, revision, position }: RecordedEvent, type: EventType): Proof => ({
  position,
  stream,
  revision,
  type,
});

/** What of a row is as of a position: for those who need no proof. */
export const rowAlone = ({ view, key, facts, raised, registers }: ViewRow): ViewRow => ({
  view,
  key,
  facts,
  raised,
  registers,
});
