import { views, type FieldType, type ViewFields } from "../../../projections/registry.js";
import type { RowChange, Value, ViewName } from "../../../projections/view-change.js";

/**
 * Tables and upserts made from the registry. A register has a second column
 * with its version. Columns may be null: a row grows as its changes arrive, in whatever order.
 */

export const versionOf = (register: string): string => `${register}__v`;

/** Each is paid for by every write to its view, so each names the read that it serves. */
const indexes: readonly string[] = [
  // The inbox and sync: a user's conversations.
  "create index members_by_user on members (userId)",
  // deliveredToAll and readByAll: the smallest cursor without looking at a thousand members.
  "create index members_by_delivered on members (conversationId, deliveredUpTo, userId) where present = 1",
  "create index members_by_read on members (conversationId, shownReadUpTo, userId) where present = 1",
  // Unread: one's own messages after a cursor.
  "create index messages_by_sender on messages (conversationId, senderId, sequence)",
  // Unread: others' deleted messages after a cursor. Only deletions pay for it.
  "create index messages_deleted on messages (conversationId, sequence, senderId) where deletedAt is not null",
  // Sync: who was erased since a token. Only erasures pay for it.
  "create index users_erased on users (erasedPosition) where erasedPosition is not null",
  // A message by its id: a few pages of it are hot (id-key.ts).
  "create index messages_by_id on messages (idKey)",
];

/** To SQLite a declared type with `text` in it is text; the rest of it tells a file of before these were sealed. */
const declared: Readonly<Record<FieldType, string>> = {
  text: "text",
  sealed: "sealed_text",
  integer: "integer",
  boolean: "integer",
};
const column = (name: string, type: FieldType): string => `${name} ${declared[type]}`;

/**
 * Rows lie in the order of their key, but for messages: those lie in the order of arrival, so that a batch fills a few
 * pages at the end of the file instead of touching one in each conversation. What a batch costs is the pages it touches
 * (half the CPU of a message's write, measured with 100 conversations).
 */
const clustered = (view: string): boolean => view !== "messages";

const tableOf = (view: string, fields: ViewFields): string => {
  const columns = [
    ...Object.entries(fields.key).map(([name, type]) => `${column(name, type)} not null`),
    ...Object.entries(fields.facts).map(([name, type]) => column(name, type)),
    ...fields.raised.map((name) => column(name, "integer")),
    ...Object.entries(fields.registers).flatMap(([name, type]) => [
      column(name, type),
      column(versionOf(name), "integer"),
    ]),
  ];
  const key = Object.keys(fields.key).join(", ");
  return `create table ${view} (${columns.join(", ")}, primary key (${key}))${clustered(view) ? " without rowid" : ""}`;
};

/** The whole schema in order. Its text is what a store compares to learn that it was made by another version. */
export const schema: readonly string[] = [
  "create table checkpoint (only integer primary key check (only = 1), position integer not null, epoch text not null)",
  ...Object.entries(views).map(([view, fields]) => tableOf(view, fields)),
  ...indexes,
];

/**
 * The join of what is there with what comes, as one statement with a parameter for each column, null for what the
 * change does not name. On the right-hand sides a bare column is the stored value, whatever the order of assignments.
 */
export const upsertOf = (view: ViewName): string => {
  const { key, facts, raised, registers } = views[view];
  const fact = (name: string) => `${name} = ifnull(${name}, excluded.${name})`;
  const grown = (name: string) => `${name} = max(ifnull(${name}, excluded.${name}), ifnull(excluded.${name}, ${name}))`;
  const newer = (name: string) =>
    `${name} = iif(excluded.${versionOf(name)} > ifnull(${versionOf(name)}, -1), excluded.${name}, ${name})`;
  const assignments = [
    ...Object.keys(facts).map(fact),
    ...raised.map(grown),
    ...Object.keys(registers).flatMap((name) => [newer(name), grown(versionOf(name))]),
  ];
  const columns = columnsOf(view);
  return `insert into ${view} (${columns.join(", ")}) values (${columns.map(() => "?").join(", ")})
    on conflict (${Object.keys(key).join(", ")}) do update set ${assignments.join(", ")}`;
};

export const columnsOf = (view: ViewName): readonly string[] => {
  const { key, facts, raised, registers } = views[view];
  return [
    ...Object.keys(key),
    ...Object.keys(facts),
    ...raised,
    ...Object.keys(registers).flatMap((name) => [name, versionOf(name)]),
  ];
};

type Cell = string | number | null;
const cell = (value: Value): Cell => (typeof value === "boolean" ? Number(value) : value);

/**
 * Makes the parameters of a view's upsert from a row's changes.
 * @throws Error for a field that the registry does not list under the change's kind: it would otherwise be lost silently
 */
export const binderOf = (view: ViewName): ((row: RowChange) => readonly Cell[]) => {
  const { key, facts, raised, registers } = views[view];
  const columns = columnsOf(view);
  const keys = Object.keys(key);
  const placeOf = (names: readonly string[]) => new Map(names.map((name) => [name, columns.indexOf(name)]));
  const factPlaces = placeOf(Object.keys(facts));
  const raisedPlaces = placeOf(raised);
  const registerPlaces = placeOf(Object.keys(registers));
  const place = (places: ReadonlyMap<string, number>, name: string): number => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`the registry does not list ${view}.${name} as the change used it`);
    return found;
  };
  return (row) => {
    if (row.key.length !== keys.length) throw new Error(`a key of ${view} has ${keys.length} parts`);
    const cells = new Array<Cell>(columns.length).fill(null);
    for (const [index, part] of row.key.entries()) cells[index] = part;
    for (const name in row.facts) cells[place(factPlaces, name)] = cell(row.facts[name] ?? null);
    for (const name in row.raised) cells[place(raisedPlaces, name)] = row.raised[name] ?? null;
    for (const name in row.registers) {
      const register = row.registers[name];
      if (register === undefined) continue;
      const at = place(registerPlaces, name);
      cells[at] = cell(register.value);
      cells[at + 1] = register.version;
    }
    return cells;
  };
};
