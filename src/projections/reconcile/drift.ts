import type { ViewRow } from "../ports/stored-rows.js";
import { views } from "../registry.js";
import type { Key, Value, ViewName } from "../view-change.js";
import type { Moved, Proof, RightRow } from "./right-rows.js";

/** A field that is not what the log says. Undefined: not there. Versions are a register's. */
export type FieldDrift = {
  readonly field: string;
  readonly stored: Value | undefined;
  readonly right: Value | undefined;
  readonly storedVersion?: number | undefined;
  readonly rightVersion?: number | undefined;
  /** The event that proves the right value; undefined where no event speaks of the field. */
  readonly proof?: Proof | undefined;
};

/** A row that is not what the log says: it is missing, or nothing in the log speaks of it, or fields of it differ. */
export type Drift = {
  readonly view: ViewName;
  readonly key: Key;
  readonly kind: "missing" | "extra" | "different";
  readonly fields: readonly FieldDrift[];
};

/**
 * What is wrong with a stored row; undefined when nothing is. `moved`: what events have done to it that the store may hold
 * or not yet: any state in between is right.
 */
export const driftOf = (
  stored: ViewRow | undefined,
  right: RightRow | undefined,
  moved: Moved | undefined,
): Drift | undefined => {
  const of = stored ?? right;
  if (of === undefined) return undefined;
  if (stored === undefined && moved !== undefined && moved.before === undefined) return undefined;
  const fields = fieldsOf(stored, right).filter((drift) => !mayBe(drift, stored, right, moved));
  if (fields.length === 0 && stored !== undefined && right !== undefined) return undefined;
  const kind = stored === undefined ? "missing" : right === undefined ? "extra" : "different";
  return { view: of.view, key: of.key, kind, fields };
};

/** Fields that differ between two rows, in the order in which the registry lists them. */
export const fieldsOf = (stored: ViewRow | undefined, right: RightRow | ViewRow | undefined): FieldDrift[] => {
  const view = (stored ?? right)?.view;
  if (view === undefined) return [];
  const { facts, raised, registers } = views[view];
  const proofs: Readonly<Record<string, Proof>> = right !== undefined && "proofs" in right ? right.proofs : {};
  const plain = (field: string, was: Value | undefined, is: Value | undefined): readonly FieldDrift[] =>
    was === is ? [] : [{ field, stored: was, right: is, proof: proofs[field] }];
  const register = (field: string): readonly FieldDrift[] => {
    const [was, is] = [stored?.registers[field], right?.registers[field]];
    if (was?.value === is?.value && was?.version === is?.version) return [];
    const versions = { storedVersion: was?.version, rightVersion: is?.version };
    return [{ field, stored: was?.value, right: is?.value, ...versions, proof: proofs[field] }];
  };
  return [
    ...Object.keys(facts).flatMap((field) => plain(field, stored?.facts[field], right?.facts[field])),
    ...raised.flatMap((field) => plain(field, stored?.raised[field], right?.raised[field])),
    ...Object.keys(registers).flatMap(register),
  ];
};

/** Whether the stored value is one that the field had while it moved. */
const mayBe = (
  { field, stored: value, storedVersion }: FieldDrift,
  stored: ViewRow | undefined,
  right: RightRow | undefined,
  moved: Moved | undefined,
): boolean => {
  if (moved === undefined || stored === undefined || right === undefined) return false;
  const { before } = moved;
  if (field in views[stored.view].registers) {
    const was = before?.registers[field];
    if (was?.value === value && was?.version === storedVersion) return true;
    return moved.assigned[field]?.some((each) => each.value === value && each.version === storedVersion) === true;
  }
  if (field in views[stored.view].facts) return value === undefined && before?.facts[field] === undefined;
  const [least, most] = [before?.raised[field], right.raised[field]];
  if (value === undefined) return least === undefined;
  return typeof value === "number" && (least === undefined || least <= value) && most !== undefined && value <= most;
};
