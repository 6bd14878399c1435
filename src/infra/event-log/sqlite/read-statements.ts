/** Reading events from an open log, for the writer's own connection and for readers. Synchronous; errors are SQLite's. */
import type { Direction } from "../../../commands/ports.js";
import type { Position, RecordedEvent, Revision, StreamName } from "../../../domain/kernel/stream.js";
import type { Db } from "./schema.js";
import type { Tail } from "./tail.js";

/** Events as one flat array, which crosses threads several times faster than objects do: `cellsPerEvent` each, in the order of `columns`. */
export type Cells = (string | number)[];
type Row = [
  position: Position,
  stream: string,
  revision: Revision,
  id: string,
  type: string,
  data: string,
  meta: string,
];
const cellsPerEvent = 7;
const columns = "e.position, s.name, e.revision, e.id, e.type, e.data, e.meta";

export type ReadStatements = {
  readonly readAll: (from: Position | undefined, count: number, direction: Direction) => Cells;
  /** `tail` has to know every event that the index does not. */
  readonly readStream: (stream: StreamName, from: Revision, count: number, direction: Direction, tail: Tail) => Cells;
};

export const createReadStatements = (db: Db): ReadStatements => {
  const all = `select ${columns} from events e join streams s on s.id = e.stream`;
  const forwards = db.prepare<number[], Row>(`${all} where e.position > ? order by e.position limit ?`).raw();
  const backwards = db.prepare<number[], Row>(`${all} where e.position < ? order by e.position desc limit ?`).raw();
  const at = db.prepare<number[], Row>(`${all} where e.position = ?`).raw();
  const streamId = db.prepare<string[], number>("select id from streams where name = ?").pluck();
  const indexed = (order: "asc" | "desc") =>
    db
      .prepare<number[], Row>(
        `select ${columns} from stream_index i join events e on e.position = i.position join streams s on s.id = i.stream
         where i.stream = ? and i.revision between ? and ? order by i.revision ${order} limit ?`,
      )
      .raw();
  const indexedForwards = indexed("asc");
  const indexedBackwards = indexed("desc");

  const readTail = (positions: readonly Position[]): Row[] =>
    positions.map((position) => at.get(position)).filter(isRow);

  return {
    readAll: (from, count, direction) =>
      flat(
        direction === "forwards"
          ? forwards.all(from ?? 0, count)
          : backwards.all(from ?? Number.MAX_SAFE_INTEGER, count),
      ),
    readStream: (stream, from, count, direction, tail) => {
      const id = streamId.get(stream);
      if (id === undefined) return [];
      const newest = tail.of(id) ?? { first: Number.MAX_SAFE_INTEGER, positions: [] };
      if (direction === "forwards") {
        const rows = indexedForwards.all(id, from, newest.first - 1, count);
        const skip = Math.max(0, from - newest.first);
        const rest = newest.positions.slice(skip, skip + count - rows.length);
        return flat([...rows, ...readTail(rest)]);
      }
      const start = from === -1 ? Number.MAX_SAFE_INTEGER : from;
      const inTail = newest.positions.slice(0, Math.max(0, start - newest.first + 1));
      const rows = readTail(inTail.slice(-count).reverse());
      return flat([...rows, ...indexedBackwards.all(id, 0, Math.min(start, newest.first - 1), count - rows.length)]);
    },
  };
};

const isRow = (row: Row | undefined): row is Row => row !== undefined;

const flat = (rows: readonly Row[]): Cells => {
  const cells: Cells = [];
  for (const row of rows) cells.push(...row);
  return cells;
};

/** The events of `Cells`. */
export const eventsOf = (cells: Cells): RecordedEvent[] => {
  const events: RecordedEvent[] = [];
  for (let i = 0; i < cells.length; i += cellsPerEvent) {
    const [position, stream, revision, id, type, data, meta] = cells.slice(i, i + cellsPerEvent) as Row;
    events.push({ position, stream, revision, id, type, data, meta });
  }
  return events;
};
