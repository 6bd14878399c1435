/**
 * The log's file read by another thread, without asking the log's own: a reader sees whatever is committed and synced.
 * It hears of new events from its owner alone, which calls `wake`.
 */
import type { Direction, EventLog } from "../../../commands/ports.js";
import type { Position, Revision, StreamName } from "../../../domain/kernel/stream.js";
import { createFeed } from "./feed.js";
import { createReadStatements, eventsOf } from "./read-statements.js";
import { openForReading, prepareIndexedTo, prepareLastPosition, type Db } from "./schema.js";
import { createTail, type Tail } from "./tail.js";

/** Answers are read on the caller's thread, though they are promises as the port has them. */
export type SqliteLogReader = Pick<EventLog, "readStream" | "readAll" | "subscribe" | "head"> & {
  /** The log may have grown: subscriptions read on. Cheap when it has not. */
  readonly wake: () => void;
  /** Ends subscriptions without a word. */
  readonly close: () => void;
};

/** @throws Error when there is no log in the file `path`: the writer makes it. */
export const openSqliteLogReader = (path: string): SqliteLogReader => {
  const db = openForReading(path);
  const reads = createReadStatements(db);
  const head = prepareLastPosition(db);
  const refreshedTail = createTailOfReader(db);
  const feed = createFeed(head(), (from, count) => attempt(() => eventsOf(reads.readAll(from, count, "forwards"))));
  // One moment of the file: else an event could leave the tail for the index between the two.
  const readStream = db.transaction((stream: StreamName, from: Revision, count: number, direction: Direction) =>
    reads.readStream(stream, from, count, direction, refreshedTail()),
  );
  return {
    readStream: (stream, from, count, direction = "forwards") =>
      attempt(() => eventsOf(readStream(stream, from, count, direction))),
    readAll: (from, count, direction = "forwards") => attempt(() => eventsOf(reads.readAll(from, count, direction))),
    head: () => attempt(head),
    subscribe: feed.subscribe,
    wake: () => {
      const now = head();
      if (now > feed.head()) feed.advance(now, []);
    },
    close: () => {
      feed.end();
      db.close();
    },
  };
};

/** A read that fails rejects, as the port has it, rather than throws. */
const attempt = <A>(read: () => A): Promise<A> =>
  new Promise((resolve) => {
    resolve(read());
  });

/** What the file's index lacks, read again as far as it has grown. To be called inside a transaction. */
const createTailOfReader = (db: Db): (() => Tail) => {
  const tail = createTail();
  const newer = db
    .prepare<[number], [position: Position, stream: number, revision: Revision]>(
      "select position, stream, revision from events where position > ? order by position",
    )
    .raw();
  const indexedTo = prepareIndexedTo(db);
  let indexed = 0;
  let known = 0;
  return () => {
    const now = indexedTo();
    if (now !== indexed) {
      tail.clear();
      indexed = known = now;
    }
    for (const [position, stream, revision] of newer.iterate(Math.max(known, indexed))) {
      tail.add(stream, revision, position);
      known = position;
    }
    return tail;
  };
};
