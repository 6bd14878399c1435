/** Reads of streams and of `$all`, which is read without a filter: pages are read until enough are ours. */
import type { ReadReq } from "@eventstore/db-client/generated/streams_pb.js";
import { LogError, type Direction } from "../../../commands/ports.js";
import {
  asPosition,
  isParleyStream,
  noPosition,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from "../../../domain/kernel/stream.js";
import { backoffMs, retried } from "../../../lib/retry.js";
import type { ClientInternals } from "./client.js";
import { failureKind, unavailable } from "./errors.js";
import { positionOf, recordedEventOf, recordedPositionOf } from "./events.js";
import { cancelSoon, openRead, type ReadCall } from "./open-read.js";
import { allRequest, streamRequest } from "./read-request.js";
import type { Reply, StoredRecord } from "./reply.js";

export type Reader = {
  /** See `EventLog`; all reject with LogError `UNAVAILABLE`. At the leader, which an election is waited for to give. */
  readonly readStream: (
    stream: StreamName,
    from: Revision,
    count: number,
    direction?: Direction,
  ) => Promise<readonly RecordedEvent[]>;
  /** At any node: what it has not got yet comes later. */
  readonly readAll: (
    from: Position | undefined,
    count: number,
    direction?: Direction,
  ) => Promise<readonly RecordedEvent[]>;
  /** At the leader. */
  readonly head: () => Promise<Position>;
  /** See `EventStoreDbLog`. */
  readonly end: () => Promise<Position>;
};

export type ReaderOptions = {
  readonly internals: ClientInternals;
  readonly target: string;
  /** Ends reads under way: `UNAVAILABLE`. */
  readonly closed: AbortSignal;
  /** With the outcome of each read: whether the server answered. */
  readonly onAnswer: (answered: boolean) => void;
};

/** A read that has brought nothing for this long has failed: the client itself would wait for ever. */
const silenceMsMax = 10_000;
/** A call that fails because the connection has just ended succeeds on the next one. */
const attemptsMax = 3;
/** And so long while no node leads: an election takes a second or two, after a leader was killed up to three. */
const leaderlessMsMax = 4_000;
const untilReachable = { msMin: 100, msMax: 300 };
const pageEventsMin = 16;
const pageEventsMax = 2048;

export const createReader = (options: ReaderOptions): Reader => {
  const { internals, target, closed, onAnswer } = options;

  const read = (
    what: string,
    request: ReadReq,
    requiresLeader: boolean,
    keeping: () => Keep = keepAll,
  ): Promise<readonly StoredRecord[]> => {
    const until = performance.now() + (requiresLeader ? leaderlessMsMax : 0);
    const once = async (): Promise<readonly StoredRecord[]> => {
      try {
        const records = await gather(openRead(internals, request, requiresLeader), closed, keeping());
        onAnswer(true);
        return records;
      } catch (error) {
        onAnswer(failureKind(error) !== "unreachable" && !(error instanceof LogError));
        throw error;
      }
    };
    return retried(once, (error, failures) => {
      const isLast = failures + 1 >= attemptsMax && performance.now() > until;
      if (failureKind(error) !== "unreachable" || isLast || closed.aborted) throw unavailable(error, target, what);
      return backoffMs(failures, untilReachable);
    });
  };
  /**
   * At most `count` records of `$all`, of any stream: forwards from a position on, backwards strictly before it. No more
   * than `wanted` of ours, and of others' only where they are: a page may be of two thousand records of a megabyte.
   */
  const page = (
    from: Position | undefined,
    { count, wanted }: { readonly count: number; readonly wanted: number },
    direction: Direction,
    requiresLeader = false,
  ): Promise<readonly StoredRecord[]> => {
    const edge = direction === "forwards" ? "start" : "end";
    const start = from === undefined || (from === 0 && direction === "forwards") ? edge : from;
    return read("a read of the log", allRequest(start, count, direction), requiresLeader, () => keepOurs(wanted));
  };
  const readAll: Reader["readAll"] = async (from, count, direction = "forwards") => {
    const ours: RecordedEvent[] = [];
    if (count <= 0 || (direction === "backwards" && from === 0)) return ours;
    let at = from;
    // One more than asked for: forwards the first is the one at the position itself.
    for (let size = clamp(count + 1); ; size = clamp(size * 2)) {
      const records = await page(at, { count: size, wanted: count + 1 }, direction);
      for (const record of records) {
        if (!isParleyStream(record.stream) || record.commit === at) continue;
        ours.push(recordedEventOf(record));
        if (ours.length >= count) break;
      }
      const last = records.at(-1);
      if (ours.length >= count || last === undefined || records.length < size) break;
      at = asPosition(last.commit);
    }
    return ours;
  };

  /** Up to here it is known which event of ours is the last, so that what others write is looked at only once. */
  let known: { readonly through: Position; readonly head: Position } = { through: noPosition, head: noPosition };
  const head = async (): Promise<Position> => {
    const before = known;
    let end: Position | undefined;
    let at: Position | undefined;
    for (let size = pageEventsMin; ; size = clamp(size * 2)) {
      const records = await page(at, { count: size, wanted: pageEventsMin }, "backwards", true);
      end ??= asPosition(records[0]?.commit ?? 0);
      for (const record of records) {
        if (isParleyStream(record.stream)) return remember(end, recordedPositionOf(record));
        // What lies below was looked at before; unless the log ends above that: then it is another log.
        if (end >= before.through && record.commit <= before.through) return remember(end, before.head);
      }
      const last = records.at(-1);
      if (last === undefined || records.length < size) return remember(end, noPosition);
      at = asPosition(last.commit);
    }
  };
  const remember = (through: Position, position: Position): Position => {
    known = { through, head: position };
    return position;
  };

  const end = async (): Promise<Position> => {
    const [last] = await page(undefined, { count: 1, wanted: 1 }, "backwards", true);
    return positionOf(last?.commit ?? 0);
  };

  return {
    readAll,
    head,
    end,
    readStream: async (stream, from, count, direction = "forwards") => {
      if (count <= 0) return [];
      const start = from >= 0 ? from : direction === "forwards" ? "start" : "end";
      const records = await read(`a read of ${stream}`, streamRequest(stream, start, count, direction), true);
      return records.map(recordedEventOf);
    },
  };
};

const clamp = (size: number): number => Math.min(Math.max(size, pageEventsMin), pageEventsMax);

/** What is held of a record that a read gives, and whether it is the last one that is needed. */
type Keep = (record: StoredRecord) => { readonly record: StoredRecord; readonly isLast: boolean };

const keepAll = (): Keep => (record) => ({ record, isLast: false });

/** Others' without what is in them, until so many of ours have come. */
const keepOurs = (wanted: number): Keep => {
  let ours = 0;
  return (record) => {
    if (!isParleyStream(record.stream)) return { record: { ...record, data: "", meta: "" }, isLast: false };
    ours += 1;
    return { record, isLast: ours >= wanted };
  };
};

/**
 * Every record that a read gives; none of a stream that is not there. Whatever ends it early also ends the call on the
 * server.
 */
const gather = (opening: Promise<ReadCall>, closed: AbortSignal, keep: Keep): Promise<readonly StoredRecord[]> =>
  new Promise((resolve, reject) => {
    const records: StoredRecord[] = [];
    let isEnough = false;
    const finish = (error?: Error): void => {
      clearTimeout(silence);
      closed.removeEventListener("abort", onClosed);
      if (error === undefined) resolve(records);
      else reject(error);
      // A call that was never opened has nothing to cancel: its failure is the one that is being reported.
      if (error !== undefined || isEnough) opening.then(cancelSoon, () => undefined);
    };
    const onClosed = (): void => {
      finish(new LogError("UNAVAILABLE", "the log is closed"));
    };
    const silence = setTimeout(() => {
      finish(new LogError("UNAVAILABLE", `the event store has not answered within ${silenceMsMax} ms`));
    }, silenceMsMax);
    closed.addEventListener("abort", onClosed);
    opening.then((call) => {
      call.on("data", (reply: Reply) => {
        // What was on its way when it was ended.
        if (isEnough) return;
        silence.refresh();
        if (reply.kind !== "event") return;
        const kept = keep(reply.record);
        records.push(kept.record);
        if (!kept.isLast) return;
        isEnough = true;
        finish();
      });
      call.on("end", () => {
        finish();
      });
      // Stays attached: what is cancelled ends with an error too.
      call.on("error", finish);
    }, finish);
    if (closed.aborted) onClosed();
  });
