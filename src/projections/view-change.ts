/**
 * The three kinds of change a projection may ask for. All of them commute, associate and are idempotent, so the order,
 * duplicates and replays of events are harmless on every engine, without transactions (DESIGN §4).
 *
 * A field is a fact, a growing number or a register, and never two of these.
 */
export type ViewName =
  "conversations" | "members" | "memberships" | "messages" | "reactions" | "receiptSteps" | "users" | "devices";

/** The parts of a row's key in the order in which `registry.ts` lists its key fields. */
export type Key = readonly (string | number)[];
export type Value = string | number | boolean | null;

export type Insert = {
  readonly kind: "insert";
  readonly view: ViewName;
  readonly key: Key;
  /** Immutable; each key's facts come from exactly one event. */
  readonly facts: Readonly<Record<string, Value>>;
};

export type Raise = {
  readonly kind: "raise";
  readonly view: ViewName;
  readonly key: Key;
  /** Registers that only grow. */
  readonly fields: Readonly<Record<string, number>>;
};

export type Assign = {
  readonly kind: "assign";
  readonly view: ViewName;
  readonly key: Key;
  /** Last writer wins by `version` = the event's revision in the one stream that writes the register. */
  readonly fields: Readonly<Record<string, Value>>;
  readonly version: number;
};

export type ViewChange = Insert | Raise | Assign;

export const insert = (view: ViewName, key: Key, facts: Insert["facts"]): Insert => ({
  kind: "insert",
  view,
  key,
  facts,
});
export const raise = (view: ViewName, key: Key, fields: Raise["fields"]): Raise => ({
  kind: "raise",
  view,
  key,
  fields,
});
export const assign = (view: ViewName, key: Key, fields: Assign["fields"], version: number): Assign => ({
  kind: "assign",
  view,
  key,
  fields,
  version,
});

/** Everything that a batch of changes asks of one row. Applying it is the same as applying them one by one. */
export type RowChange = {
  readonly key: Key;
  /** Of the one event that has them; never written to. */
  facts: Readonly<Record<string, Value>>;
  readonly raised: Record<string, number>;
  readonly registers: Record<string, Versioned>;
};
export type Versioned = { value: Value; version: number };

/** The rows of a batch by view, each once, in the order in which they were first named. */
export type FoldedChanges = ReadonlyMap<ViewName, readonly RowChange[]>;

/**
 * Folds a batch in memory, so that a store writes each row once however many events touched it: a conversation's head
 * is raised by every message, and is written once for all of them.
 */
export const foldChanges = (changes: readonly ViewChange[]): FoldedChanges => {
  const rows = new Map<ViewName, RowChange[]>();
  const byKey = new Map<ViewName, Map<string, RowChange>>();
  let before: { readonly change: ViewChange; readonly row: RowChange } | undefined;
  for (const change of changes) {
    // An event's changes of one row come together and share its key: the row need not be looked for again.
    const same = before?.change.key === change.key && before.change.view === change.view;
    const row = same && before !== undefined ? before.row : rowOf(rows, byKey, change);
    foldInto(row, change);
    before = { change, row };
  }
  return rows;
};

const rowOf = (
  rows: Map<ViewName, RowChange[]>,
  byKey: Map<ViewName, Map<string, RowChange>>,
  { view, key }: ViewChange,
): RowChange => {
  let index = byKey.get(view);
  if (index === undefined) byKey.set(view, (index = new Map<string, RowChange>()));
  // No id holds a NUL, so different keys never share a name.
  const name = key.join("\0");
  let row = index.get(name);
  if (row === undefined) {
    index.set(name, (row = { key, facts: noFacts, raised: {}, registers: {} }));
    const ofView = rows.get(view);
    if (ofView === undefined) rows.set(view, [row]);
    else ofView.push(row);
  }
  return row;
};

const noFacts: RowChange["facts"] = {};

/** `for in` rather than entries: this runs four times for every message. */
const foldInto = (row: RowChange, change: ViewChange): void => {
  switch (change.kind) {
    case "insert":
      // Each key's facts come from one event: a second time they are the same.
      row.facts = change.facts;
      return;
    case "raise":
      for (const field in change.fields) {
        const value = change.fields[field];
        const known = row.raised[field];
        if (value !== undefined && (known === undefined || value > known)) row.raised[field] = value;
      }
      return;
    case "assign":
      for (const field in change.fields) {
        const value = change.fields[field];
        const known = row.registers[field];
        if (value !== undefined && (known === undefined || change.version > known.version))
          row.registers[field] = { value, version: change.version };
      }
  }
};
