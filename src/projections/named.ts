import type { ViewName } from "./view-change.js";

/**
 * The projections as operators know them: what they look at, rebuild, replay and reconcile by name, and the views that each
 * is. `delivery` has no rows: it makes frames, and is followed but never rebuilt.
 */
export const namedProjections = {
  inbox: ["conversations", "members", "memberships"],
  messages: ["messages", "reactions"],
  receipts: ["receiptSteps"],
  users: ["users", "devices"],
  delivery: [],
} as const satisfies Readonly<Record<string, readonly ViewName[]>>;

export type ProjectionName = keyof typeof namedProjections;
/** One that is rows, made from the log. */
export type RowsName = Exclude<ProjectionName, "delivery">;

export const projectionNames = Object.keys(namedProjections) as readonly ProjectionName[];
export const rowsNames: readonly RowsName[] = projectionNames.filter((name) => name !== "delivery");

/** The views of all the names. */
export const viewsOfNames = (names: readonly ProjectionName[]): readonly ViewName[] =>
  names.flatMap((name) => namedProjections[name]);
