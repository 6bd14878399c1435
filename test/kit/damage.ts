import fc from "fast-check";
import { openSqliteViewsFile, type SqliteViews } from "../../src/infra/view-store/sqlite/views-file.js";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { asPosition, noPosition, noRevision, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import type { EventSource } from "../../src/projections/ports/event-source.js";
import { rowName, type Replacement, type ViewRow, type StoredRows } from "../../src/projections/ports/stored-rows.js";
import type { Subject } from "../../src/projections/reconcile/subject.js";
import { project, views } from "../../src/projections/registry.js";
import type { Value, ViewName } from "../../src/projections/view-change.js";
import { conversationIds, users } from "./arbitraries.js";

/** A log that is an array, as projections read one. */
export const sourceOf = (log: readonly RecordedEvent[]): Pick<EventSource, "readStream" | "readAll" | "head"> => ({
  readStream: (stream, from, count, direction = "forwards") => {
    const own = log.filter((event) => event.stream === stream);
    if (direction === "forwards")
      return Promise.resolve(own.filter(({ revision }) => revision >= from).slice(0, count));
    const before = from === noRevision ? own : own.filter(({ revision }) => revision <= from);
    return Promise.resolve(before.toReversed().slice(0, count));
  },
  readAll: (from, count) => Promise.resolve(log.filter(({ position }) => position > from).slice(0, count)),
  head: () => Promise.resolve(log.at(-1)?.position ?? noPosition),
});

/** All rows of a log, in a file. `projecting`: another build's. */
export const viewsOfLog = (
  path: string,
  log: readonly RecordedEvent[],
  projecting: typeof project = project,
): SqliteViews => {
  const file = openSqliteViewsFile(path);
  const changes = log.flatMap((recorded) => projecting(decodeEvent(recorded), recorded));
  file.apply(changes, { position: asPosition(log.at(-1)?.position ?? 0), epoch: "e" });
  return file;
};

/** Views of any store. */
export type Damageable = {
  readonly stored: Pick<StoredRows, "read">;
  readonly replace: (replacements: readonly Replacement[], changes: readonly []) => void | Promise<void>;
};

/** Sorted by their names. */
export const everyRow = async ({ stored }: Pick<Damageable, "stored">): Promise<readonly ViewRow[]> => {
  const { rows } = await stored.read((Object.keys(views) as ViewName[]).map((view) => ({ view, under: [] })));
  return rows.toSorted((a, b) => (rowName(a) < rowName(b) ? -1 : 1));
};

/** All subjects of the arbitraries' logs: together they have every row. */
export const subjects: readonly Subject[] = [
  ...conversationIds.map((conversationId) => ({ kind: "conversation" as const, conversationId })),
  ...users.map((userId) => ({ kind: "user" as const, userId })),
];

/** What is done to one row: which, by shares, and how. */
export type Damage = { readonly row: number; readonly field: number; readonly kind: "gone" | "changed" | "made up" };
export const damages: fc.Arbitrary<readonly Damage[]> = fc.array(
  fc.record({
    row: fc.nat({ max: 999 }).map((share) => share / 1_000),
    field: fc.nat({ max: 999 }).map((share) => share / 1_000),
    kind: fc.constantFrom("gone" as const, "changed" as const, "made up" as const),
  }),
  { minLength: 1, maxLength: 8 },
);

const pick = <A>(all: readonly A[], share: number): A | undefined => all[Math.floor(share * all.length)];

/** Damages rows in a file, each once. @returns their names */
export const damage = async (file: Damageable, wished: readonly Damage[]): Promise<ReadonlySet<string>> => {
  const rows = await everyRow(file);
  const damaged = new Set<string>();
  for (const { row: share, field, kind } of wished) {
    const row = pick(rows, share);
    if (row === undefined) continue;
    const key = kind === "made up" ? madeUp(row) : row.key;
    const name = rowName({ view: row.view, key });
    if (damaged.has(name)) continue;
    damaged.add(name);
    const right = kind === "gone" ? undefined : kind === "changed" ? changed(row, field) : { ...row, key };
    await file.replace([{ view: row.view, key, stored: key === row.key ? row : undefined, right }], []);
  }
  return damaged;
};

/** The key of a row that nothing speaks of; it stays the subject's. */
const madeUp = ({ view, key }: ViewRow): ViewRow["key"] =>
  view === "conversations" || view === "users"
    ? key
    : key.map((part, index) => (index === 0 ? part : typeof part === "number" ? part + 1_000 : `${part}-nobody`));

const changed = (row: ViewRow, share: number): ViewRow => {
  const present = [
    ...Object.keys(row.facts).map((field) => ["facts", field] as const),
    ...Object.keys(row.raised).map((field) => ["raised", field] as const),
    ...Object.keys(row.registers).map((field) => ["registers", field] as const),
  ];
  const [kind, field] = pick(present, share) ?? ["raised", "touched"];
  const register = row.registers[field];
  if (kind === "registers" && register !== undefined) {
    const other = { value: otherThan(register.value), version: register.version + (share < 0.5 ? 3 : 0) };
    return { ...row, registers: { ...row.registers, [field]: other } };
  }
  if (kind === "facts") return { ...row, facts: { ...row.facts, [field]: otherThan(row.facts[field] ?? null) } };
  return { ...row, raised: { ...row.raised, [field]: (row.raised[field] ?? 0) + (share < 0.5 ? 7 : -7) } };
};

const otherThan = (value: Value): Value =>
  typeof value === "boolean" ? !value : typeof value === "number" ? value + 5 : value === null ? null : `${value} `;
