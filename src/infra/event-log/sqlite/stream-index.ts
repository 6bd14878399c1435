/**
 * What the log's writer knows about streams: their heads, and where an event of a stream or an id appended with `any`
 * is. The newest events are known from memory, the others from the indexes of the file (schema.ts says why).
 */
import {
  noRevision,
  revisionAfter,
  type Position,
  type Revision,
  type StreamName,
} from "../../../domain/kernel/stream.js";
import { prepareIndexedTo, type Db } from "./schema.js";
import { createTail, type Tail } from "./tail.js";

export type StreamState = {
  readonly name: StreamName;
  /** In the file; 0 while the stream is absent. */
  id: number;
  /** Revision of its last event, -1 while it is absent. */
  head: Revision;
};

export type LogIndex = {
  readonly stream: (name: StreamName) => StreamState;
  /** Inside the transaction that appends the stream's first event. */
  readonly create: (stream: StreamState) => void;
  /** An event that has just been written as its stream's last one. `id`: only if it was appended with `any`. */
  readonly add: (stream: StreamState, position: Position, id: string | undefined) => void;
  readonly position: (stream: StreamState, revision: Revision) => Position | undefined;
  readonly anyPosition: (stream: StreamState, id: string) => Position | undefined;
  readonly tail: Tail;
  /** Writes what the file's indexes lack, in a transaction of its own. */
  readonly catchUp: () => void;
};

/** Heads held in memory: some 10 MB; a stream that is not among them costs one look-up. */
const streamsMax = 50_000;

export const createIndex = (db: Db): LogIndex => {
  const streams = new Map<StreamName, StreamState>();
  const tail = createTail();
  const anyIds = new Map<string, Position>();
  const find = db.prepare<[string], number>("select id from streams where name = ?").pluck();
  const create = db.prepare<[string]>("insert into streams (name) values (?)");
  const headOf = db
    .prepare<[number], Revision | null>("select max(revision) from stream_index where stream = ?")
    .pluck();
  const positionOf = db
    .prepare<[number, number], Position>("select position from stream_index where stream = ? and revision = ?")
    .pluck();
  const anyPositionOf = db
    .prepare<[number, string], Position>("select position from any_ids where stream = ? and id = ?")
    .pluck();
  const catchUp = prepareCatchUp(db);

  const head = (id: number): Revision => {
    const newest = tail.of(id);
    return newest === undefined
      ? (headOf.get(id) ?? noRevision)
      : revisionAfter(newest.first, newest.positions.length - 1);
  };
  const remember = (stream: number, revision: Revision, position: Position, anyId: string | undefined): void => {
    tail.add(stream, revision, position);
    if (anyId !== undefined) anyIds.set(anyKey(stream, anyId), position);
  };

  for (const [position, stream, revision, any, id] of unindexedEvents(db))
    remember(stream, revision, position, any === 1 ? id : undefined);

  return {
    tail,
    stream: (name) => {
      const known = streams.get(name);
      if (known !== undefined) return known;
      const id = find.get(name);
      if (id === undefined) return { name, id: 0, head: noRevision };
      const stream = { name, id, head: head(id) };
      streams.set(name, stream);
      return stream;
    },
    create: (stream) => {
      stream.id = Number(create.run(stream.name).lastInsertRowid);
      streams.set(stream.name, stream);
    },
    add: (stream, position, id) => {
      remember(stream.id, stream.head, position, id);
    },
    position: (stream, revision) => {
      const newest = tail.of(stream.id);
      return newest !== undefined && revision >= newest.first
        ? newest.positions[revision - newest.first]
        : positionOf.get(stream.id, revision);
    },
    anyPosition: (stream, id) =>
      stream.id === 0 ? undefined : (anyIds.get(anyKey(stream.id, id)) ?? anyPositionOf.get(stream.id, id)),
    catchUp: () => {
      catchUp();
      tail.clear();
      anyIds.clear();
      for (const name of streams.keys()) {
        if (streams.size <= streamsMax) break;
        streams.delete(name);
      }
    },
  };
};

const anyKey = (stream: number, id: string): string => `${stream} ${id}`;

type Unindexed = [position: Position, stream: number, revision: Revision, any: number, id: string];
const unindexedEvents = (db: Db): IterableIterator<Unindexed> =>
  db
    .prepare<[number], Unindexed>(
      "select position, stream, revision, appended_any, id from events where position > ? order by position",
    )
    .raw()
    .iterate(prepareIndexedTo(db)());

/** In key order, so that each page of an index is touched once, however many entries it gets. */
const prepareCatchUp = (db: Db): (() => void) => {
  const newer = "from events where position > (select indexed_to from log_state)";
  const statements = [
    `insert into stream_index select stream, revision, position ${newer} order by stream, revision`,
    `insert into any_ids select stream, id, position ${newer} and appended_any = 1 order by stream, id`,
    "update log_state set indexed_to = (select max(position) from events)",
  ].map((sql) => db.prepare(sql));
  const catchUp = db.transaction(() => {
    for (const statement of statements) statement.run();
  });
  return () => {
    catchUp.immediate();
  };
};
