/**
 * The log's synchronous core: one writer, one connection, one transaction for a batch of appends. Each append is
 * checked against what the writer knows before anything of it is written, so a conflict needs no savepoint and leaves
 * its neighbours alone; whatever SQLite itself refuses is no conflict but a failure of the whole log.
 */
import { asPosition, revisionAfter, type Position } from "../../../domain/kernel/stream.js";
import { createJudge } from "./judge.js";
import { cutWal } from "../../engines/wal.js";
import { createReadStatements, type Cells } from "./read-statements.js";
import { openForWriting, prepareLastPosition, type Db } from "./schema.js";
import { createIndex, type LogIndex, type StreamState } from "./stream-index.js";
import { cellsPerNewEvent, expectsAny, outcome, type AppendCells, type ReadRequest, type ResultCells } from "./wire.js";

export type LogCore = {
  readonly head: () => Position;
  /** Makes all appends that do not conflict durable, in order. If it throws, the log is not to be used again. */
  readonly commit: (batches: readonly AppendCells[]) => ResultCells;
  readonly read: (request: ReadRequest) => Cells;
  /** Catches the indexes up and moves the WAL into the file. `idle`: also when it is not urgent, and cuts a WAL that has grown. Throws as `commit` does. */
  readonly maintain: (idle: boolean) => void;
  readonly close: () => void;
};

/** Events that the indexes may lag: some 2 MB that a start reads again. Catching up holds a commit up for some 8 ms. */
const tailEventsMax = 4096;
/** The WAL is moved into the file when about this much was appended: some 5 ms of work, most of it two syncs. */
const walCharsMax = 1024 * 1024;
/** Idle times are used for what would otherwise hold up a commit later. */
const idleShare = 1 / 4;

/** @throws Error when the file cannot be opened or is not a log of this format. */
export const openLogCore = (path: string): LogCore => {
  const db = openForWriting(path);
  const begin = db.prepare("begin immediate");
  const commit = db.prepare("commit");
  const reads = createReadStatements(db);
  const index = createIndex(db);
  const writer = createWriter(db, index);
  let charsSinceCheckpoint = 0;

  return {
    head: writer.head,
    commit: (batches) => {
      const results: ResultCells = [];
      begin.run();
      for (const cells of batches) charsSinceCheckpoint += writer.appendAll(cells, results);
      commit.run();
      return results;
    },
    read: (request) =>
      "all" in request
        ? reads.readAll(request.from, request.count, request.direction)
        : reads.readStream(request.stream, request.from, request.count, request.direction, index.tail),
    maintain: (idle) => {
      const share = idle ? idleShare : 1;
      // One or the other: a commit that came in meanwhile waits for one of them only.
      if (index.tail.size() >= tailEventsMax * share) {
        index.catchUp();
      } else if (charsSinceCheckpoint >= walCharsMax * share) {
        db.pragma("wal_checkpoint(PASSIVE)");
        charsSinceCheckpoint = 0;
      } else if (idle) {
        cutWal(db, path);
      }
    },
    close: () => {
      db.close();
    },
  };
};

type Writer = {
  readonly head: () => Position;
  /** Inside a transaction. Adds a result for each append; returns the characters written. */
  readonly appendAll: (cells: AppendCells, results: ResultCells) => number;
};

const createWriter = (db: Db, index: LogIndex): Writer => {
  const insert = db.prepare<[number, number, number, number, string, string, string, string]>(
    "insert into events values (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const judge = createJudge(db, index);
  let position = prepareLastPosition(db)();

  /** The id, type, data and meta of each event are at `start`, up to `end`. Returns the characters written. */
  const write = (stream: StreamState, any: boolean, cells: AppendCells, start: number, end: number): number => {
    let chars = 0;
    if (stream.id === 0) index.create(stream);
    for (let at = start; at < end; at += cellsPerNewEvent) {
      const [id, data, meta] = [cells[at] as string, cells[at + 2] as string, cells[at + 3] as string];
      position = asPosition(position + 1);
      stream.head = revisionAfter(stream.head);
      insert.run(position, stream.id, stream.head, any ? 1 : 0, id, cells[at + 1] as string, data, meta);
      index.add(stream, position, any ? id : undefined);
      chars += data.length + meta.length;
    }
    return chars;
  };

  return {
    head: () => position,
    appendAll: (cells, results) => {
      let chars = 0;
      for (let at = 0, end; at < cells.length; at = end) {
        const stream = index.stream(cells[at] as string);
        const expected = cells[at + 1] as number;
        const start = at + 3;
        end = start + cellsPerNewEvent * (cells[at + 2] as number);
        const judgement = judge(stream, expected, cells, start, end);
        if (judgement === "append") {
          chars += write(stream, expectsAny(expected), cells, start, end);
          results.push(outcome.appended, stream.head, position);
        } else if (judgement === "conflict") {
          results.push(outcome.conflict, stream.head, 0);
        } else {
          results.push(outcome.duplicate, judgement.revision, judgement.position);
        }
      }
      return chars;
    },
  };
};
