import { createHash } from "node:crypto";
import type { StoredRow } from "../ports/generations.js";
import { assign, insert, raise, type Value, type ViewChange, type ViewName } from "../view-change.js";
import { views } from "../registry.js";

/**
 * A row as text, the same on every engine and in every layout: facts that arrived, numbers, and registers with their
 * versions, each by its name. What is null says as little as what is missing, but for a register, which is assigned away.
 */
export const canonicalRow = (view: ViewName, { key, facts, raised, registers }: StoredRow): string => {
  const fields = views[view];
  return JSON.stringify([
    key,
    Object.keys(fields.facts).flatMap((name) => named(name, facts[name] ?? null)),
    fields.raised.flatMap((name) => named(name, raised[name] ?? null)),
    Object.keys(fields.registers).flatMap((name) => {
      const register = registers[name];
      return register === undefined ? [] : [[name, register.version, register.value]];
    }),
  ]);
};

const named = (name: string, value: Value): readonly (readonly Value[])[] => (value === null ? [] : [[name, value]]);

/** What stands for a row where rows are compared: SHA-256 of `canonicalRow`, in base64url. */
export const digestOfRow = (view: ViewName, row: StoredRow): string =>
  createHash("sha256").update(canonicalRow(view, row)).digest("base64url");

/** The changes that make the row, whatever else comes to it: how a row is copied. */
export const changesOfRow = (view: ViewName, { key, facts, raised, registers }: StoredRow): readonly ViewChange[] => [
  ...(Object.values(facts).some((value) => value !== null) ? [insert(view, key, facts)] : []),
  ...(Object.keys(raised).length > 0 ? [raise(view, key, raised)] : []),
  ...Object.entries(registers).map(([name, { value, version }]) => assign(view, key, { [name]: value }, version)),
];

/**
 * Whether a row holds all that the other does, as a row does that further changes have come to: every change is a join.
 * What stands in both is the same, or a greater number, or a register of a later version.
 */
export const holds = (more: StoredRow | undefined, less: StoredRow | undefined): boolean => {
  if (less === undefined) return true;
  if (more === undefined) return false;
  const { facts, raised, registers } = more;
  return (
    Object.entries(less.facts).every(([name, value]) => value === null || facts[name] === value) &&
    Object.entries(less.raised).every(([name, value]) => (raised[name] ?? -Infinity) >= value) &&
    Object.entries(less.registers).every(([name, { value, version }]) => {
      const register = registers[name];
      return (
        register !== undefined &&
        (register.version > version || (register.version === version && register.value === value))
      );
    })
  );
};
