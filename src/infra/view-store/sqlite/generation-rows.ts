/** Rows of a views' file as they are stored, for what compares and copies generations. */
import type Database from "better-sqlite3";
import type { GenerationFigures, StoredRow } from "../../../projections/ports/generations.js";
import { views, type FieldType } from "../../../projections/registry.js";
import type { Key, Value, Versioned, ViewName } from "../../../projections/view-change.js";
import { byBytes } from "../../engines/by-bytes.js";
import { versionOf } from "./schema.js";

type Columns = Readonly<Record<string, string | number | null>>;

export type SqliteRows = {
  readonly rows: (view: ViewName, page: { readonly after?: Key; readonly limit: number }) => readonly StoredRow[];
  readonly rowsAt: (view: ViewName, keys: readonly Key[]) => readonly StoredRow[];
  readonly figures: (view: ViewName) => GenerationFigures;
};

export const sqliteRows = (db: Database.Database): SqliteRows => {
  const statements = new Map<string, Database.Statement<unknown[], Columns>>();
  const prepared = (sql: string) => {
    let statement = statements.get(sql);
    if (statement === undefined) statements.set(sql, (statement = db.prepare<unknown[], Columns>(sql)));
    return statement;
  };
  return {
    rows: (view, { after, limit }) => {
      const key = Object.keys(views[view].key).join(", ");
      const places = after?.map(() => "?").join(", ");
      const where = places === undefined ? "" : `where (${key}) > (${places})`;
      return prepared(`select * from ${view} ${where} order by ${key} limit ?`)
        .all(...(after ?? []), limit)
        .map((columns) => storedRow(view, columns));
    },
    rowsAt: (view, keys) => {
      const equal = Object.keys(views[view].key).map((name) => `${name} = ?`);
      const at = prepared(`select * from ${view} where ${equal.join(" and ")}`);
      return keys.flatMap((key) => at.all(...key)).map((columns) => storedRow(view, columns));
    },
    figures: (view) => {
      const rows = prepared(`select count(*) as n from ${view}`).get()?.n;
      const bytes = prepared(
        `select ifnull(sum(pgsize), 0) as n from dbstat where aggregate = true and name in
           (select name from sqlite_schema where tbl_name = ?)`,
      ).get(view)?.n;
      return { rows: Number(rows), bytes: Number(bytes) };
    },
  };
};

/** SQLite orders texts by their bytes in UTF-8. */
export const compareKeys = (_view: ViewName, a: Key, b: Key): number => {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    const order =
      typeof part === "number" && typeof other === "number" ? part - other : byBytes(String(part), String(other));
    if (order !== 0) return order;
  }
  return 0;
};

/** A table's row in the form that all stores share. */
export const storedRow = (view: ViewName, columns: Columns): StoredRow => {
  const fields = views[view];
  const raised: Record<string, number> = {};
  for (const name of fields.raised) {
    const value = columns[name];
    if (typeof value === "number") raised[name] = value;
  }
  const registers: Record<string, Versioned> = {};
  for (const [name, type] of Object.entries(fields.registers)) {
    const version = columns[versionOf(name)];
    if (typeof version === "number") registers[name] = { value: valueOf(type, columns[name]), version };
  }
  return {
    key: Object.keys(fields.key).map((name) => columns[name] ?? ""),
    facts: Object.fromEntries(Object.entries(fields.facts).map(([name, type]) => [name, valueOf(type, columns[name])])),
    raised,
    registers,
  };
};

const valueOf = (type: FieldType, value: string | number | null | undefined): Value =>
  value === null || value === undefined ? null : type === "boolean" ? value === 1 : value;
