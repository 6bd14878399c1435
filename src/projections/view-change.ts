/**
 * The three kinds of change a projection may ask for. All of them commute, associate and are idempotent, so the order,
 * duplicates and replays of events are harmless on every engine, without transactions (DESIGN §4).
 *
 * A field is a fact, a growing number or a register, and never two of these.
 */
export type ViewName = "conversations" | "members" | "memberships" | "messages" | "users" | "devices";

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
