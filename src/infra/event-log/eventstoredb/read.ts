/** Reads of streams and of `$all`. The client's read of `$all` knows no filter: pages are read until enough are ours. */
import {
  END,
  START,
  type AllStreamRecordedEvent,
  type AllStreamResolvedEvent,
  type Direction as StoreDirection,
  type EventStoreDBClient,
  type StreamingRead,
} from "@eventstore/db-client";
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
import { failureKind, unavailable } from "./errors.js";
import { positionOf, recordedEventOf, recordedPositionOf, recordsOf, storePositionOf } from "./events.js";

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
  readonly client: EventStoreDBClient;
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
  const { client, target, closed, onAnswer } = options;

  const read = <T>(
    what: string,
    open: () => StreamingRead<T>,
    requiresLeader: boolean,
    keeping: () => Keep<T> = keepAll,
  ): Promise<readonly T[]> => {
    const until = performance.now() + (requiresLeader ? leaderlessMsMax : 0);
    const once = async (): Promise<readonly T[]> => {
      try {
        const events = await gather(open(), closed, keeping());
        onAnswer(true);
        return events;
      } catch (error) {
        const kind = failureKind(error);
        onAnswer(kind !== "unreachable" && !(error instanceof LogError));
        if (kind === "stream_not_found") return [];
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
   * At most `maxCount` records of `$all`, of any stream: forwards from a position on, backwards strictly before it. No more
   * than `wanted` of ours, and of others' only where they are: a page may be of two thousand records of a megabyte.
   */
  const page = async (
    from: Position | undefined,
    { maxCount, wanted }: { readonly maxCount: number; readonly wanted: number },
    direction: StoreDirection,
    requiresLeader = false,
  ): Promise<readonly AllStreamRecordedEvent[]> => {
    const edge = direction === "forwards" ? START : END;
    const fromPosition = from === undefined || (from === 0 && direction === "forwards") ? edge : storePositionOf(from);
    return recordsOf(
      await read<AllStreamResolvedEvent>(
        "a read of the log",
        () => client.readAll({ direction, fromPosition, maxCount, requiresLeader }, { highWaterMark: readAhead }),
        requiresLeader,
        () => keepOurs(wanted),
      ),
    );
  };
  const readAll: Reader["readAll"] = async (from, count, direction = "forwards") => {
    const ours: RecordedEvent[] = [];
    if (count <= 0 || (direction === "backwards" && from === 0)) return ours;
    let at = from;
    // One more than asked for: forwards the first is the one at the position itself.
    for (let size = clamp(count + 1); ; size = clamp(size * 2)) {
      const records = await page(at, { maxCount: size, wanted: count + 1 }, direction);
      for (const record of records) {
        if (!isParleyStream(record.streamId) || record.position.commit === BigInt(at ?? -1)) continue;
        ours.push(recordedEventOf(record));
        if (ours.length >= count) break;
      }
      const last = records.at(-1);
      if (ours.length >= count || last === undefined || records.length < size) break;
      at = asPosition(Number(last.position.commit));
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
      const records = await page(at, { maxCount: size, wanted: pageEventsMin }, "backwards", true);
      end ??= asPosition(Number(records[0]?.position.commit ?? 0));
      for (const record of records) {
        if (isParleyStream(record.streamId)) return remember(end, recordedPositionOf(record));
        // What lies below was looked at before; unless the log ends above that: then it is another log.
        if (end >= before.through && Number(record.position.commit) <= before.through)
          return remember(end, before.head);
      }
      const last = records.at(-1);
      if (last === undefined || records.length < size) return remember(end, noPosition);
      at = asPosition(Number(last.position.commit));
    }
  };
  const remember = (through: Position, position: Position): Position => {
    known = { through, head: position };
    return position;
  };

  const end = async (): Promise<Position> => {
    const [last] = await page(undefined, { maxCount: 1, wanted: 1 }, "backwards", true);
    return positionOf(last?.position.commit ?? 0n);
  };

  return {
    readAll,
    head,
    end,
    readStream: async (stream, from, count, direction = "forwards") => {
      if (count <= 0) return [];
      const fromRevision = from >= 0 ? BigInt(from) : direction === "forwards" ? START : END;
      const options = { direction, fromRevision, maxCount: count, requiresLeader: true } as const;
      const open = () => client.readStream(stream, options, { highWaterMark: readAhead });
      const resolved = await read(`a read of ${stream}`, open, true);
      // Records of one stream carry their place in `$all` as well, though the client's type does not say so.
      return recordsOf(resolved as readonly AllStreamResolvedEvent[]).map(recordedEventOf);
    },
  };
};

/** Events that the client may hold decoded ahead of us. */
const readAhead = 128;

const clamp = (size: number): number => Math.min(Math.max(size, pageEventsMin), pageEventsMax);

/** What is held of an event that a read gives, and whether it is the last one that is needed. */
type Keep<T> = (event: T) => { readonly event: T; readonly isLast: boolean };

const keepAll =
  <T>(): Keep<T> =>
  (event) => ({ event, isLast: false });

const nothing = new Uint8Array();

/** Others' without what is in them, until so many of ours have come. */
const keepOurs = (wanted: number): Keep<AllStreamResolvedEvent> => {
  let ours = 0;
  return (resolved) => {
    const { event } = resolved;
    if (event === undefined) return { event: resolved, isLast: false };
    if (!isParleyStream(event.streamId))
      return { event: { event: { ...event, isJson: false, data: nothing, metadata: nothing } }, isLast: false };
    ours += 1;
    return { event: resolved, isLast: ours >= wanted };
  };
};

/** Everything that a read gives. Whatever ends it early also ends the call on the server, which leaving the loop would not. */
const gather = <T>(stream: StreamingRead<T>, closed: AbortSignal, keep: Keep<T>): Promise<readonly T[]> =>
  new Promise((resolve, reject) => {
    const events: T[] = [];
    let isEnough = false;
    const finish = (error?: Error): void => {
      clearTimeout(silence);
      closed.removeEventListener("abort", onClosed);
      if (error === undefined) resolve(events);
      else reject(error);
      // A call that was never opened cannot be cancelled: its failure is the one that is being reported.
      if (error !== undefined || isEnough) stream.cancel().catch(() => undefined);
    };
    const onClosed = (): void => {
      finish(new LogError("UNAVAILABLE", "the log is closed"));
    };
    const silence = setTimeout(() => {
      finish(new LogError("UNAVAILABLE", `the event store has not answered within ${silenceMsMax} ms`));
    }, silenceMsMax);
    closed.addEventListener("abort", onClosed);
    stream.on("data", (event: T) => {
      // What was on its way when it was ended.
      if (isEnough) return;
      silence.refresh();
      const kept = keep(event);
      events.push(kept.event);
      if (!kept.isLast) return;
      isEnough = true;
      finish();
    });
    stream.on("end", () => {
      finish();
    });
    stream.on("error", finish);
    if (closed.aborted) onClosed();
  });
