import { LRUCache } from "lru-cache";
import { E, type Either } from "../domain/kernel/fp.js";
import { limits } from "../domain/kernel/limits.js";
import { reject, type Rejection } from "../domain/rejections.js";
import type { Revision } from "../domain/kernel/stream.js";
import { asError } from "../lib/errors.js";
import { pause } from "../lib/time.js";
import { LogError, type EventLog } from "./ports.js";
import type { CommandResult, Job } from "./batch.js";
import type { Loaded, Route, Routed, RoutedEvent } from "./routes.js";
import { catchUp, loadAggregate } from "./load.js";
import type { Snapshots } from "./snapshots.js";
import { nextTurn, pauseBefore, type Turn } from "./turns.js";
import { refuse } from "./refuse.js";
import { transact } from "./transact.js";

/**
 * One queue per stream: commands take effect in the order in which they came, and those that arrive while an append
 * is in flight are decided and appended together.
 */
export type Writer<Command, State, Event> = {
  /**
   * `command` may still be in the making (a data key has to be made first): its place in the queue is taken already.
   * Resolves when the events are durable; rejects for a defect, and with what `command` rejects with.
   */
  readonly submit: (
    id: string,
    command: Command | Promise<Command>,
  ) => Promise<Either<Rejection, CommandResult<Command, State, Event>>>;
  /**
   * The state as this process last knew it: read from the log when it is not in memory. Waits for what was submitted.
   * Where others append as well it is at most `ageMsMax` old. Rejects with LogError where it cannot be read.
   */
  readonly current: (id: string, ageMsMax?: number) => Promise<State>;
  /** What is in memory, and asks and waits for nothing; of a change that is being written it may know already. */
  readonly peek: (id: string) => Peeked<State> | undefined;
  /** Commands waiting or in flight. */
  readonly pending: () => number;
};

/** `ageMs`: how long ago it was what the log has; 0 where no other process appends. */
export type Peeked<State> = { readonly state: State; readonly revision: Revision; readonly ageMs: number };

/** Commands that wait for one stream: beyond it a client is told to come back. */
const queueMax = 5_000;
/** What others may have changed is looked at again after so long. */
const trustedMs = 1_000;

type Waiting<Command, State, Event> = Omit<Job<Command, State, Event>, "command"> & {
  readonly command: Command | Promise<Command>;
};
type Inspection<State> = {
  readonly inspect: (state: State) => void;
  readonly fail: (error: Error) => void;
  readonly ageMsMax: number;
};
/**
 * `knownAt`: when it last was what the log has, on the monotonic clock; 0 where no other process appends. `turn`: of its
 * last append by this process, where others may overtake it.
 */
type Known<State, Index> = Loaded<State, Index> & { readonly knownAt: number; readonly turn: Turn | undefined };

export type WriterOptions<State, Index> = {
  readonly snapshots: Snapshots<State, Index>;
  /** Folded states that stay in memory, by what they weigh. */
  readonly loadedBytesMax: number;
  /** Other processes append to the same streams. */
  readonly isShared?: boolean;
};

export const createWriter = <Command extends Routed, State, Event extends RoutedEvent, Index>(
  log: EventLog,
  route: Route<Command, State, Event, Index>,
  { snapshots, loadedBytesMax, isShared = false }: WriterOptions<State, Index>,
): Writer<Command, State, Event> => {
  const loaded = new LRUCache<string, Known<State, Index> & object>({
    maxSize: loadedBytesMax,
    sizeCalculation: route.weigh,
    // What is being worked on may be ahead of what is kept here, its index at least, and is kept again after that.
    dispose: (known, id, reason) => {
      if (reason === "evict" && !queues.has(id)) snapshots.leave(route.stream(id), known);
    },
  });
  const queues = new Map<string, (Waiting<Command, State, Event> | Inspection<State>)[]>();
  const canBeOvertaken = isShared && route.expects === "revision";
  let pending = 0;

  const enqueue = (id: string, item: Waiting<Command, State, Event> | Inspection<State>): boolean => {
    const queue = queues.get(id);
    if (queue === undefined) {
      const fresh = [item];
      queues.set(id, fresh);
      void work(id, fresh);
      return true;
    }
    if (queue.length >= queueMax) return false;
    queue.push(item);
    return true;
  };

  /** Runs until its queue is empty; never rejects. */
  const work = async (id: string, queue: (Waiting<Command, State, Event> | Inspection<State>)[]): Promise<void> => {
    while (queue.length > 0) {
      const first = queue[0];
      if (first !== undefined && "inspect" in first) await inspect(id, queue.shift() as Inspection<State>);
      else {
        const pauseMs = canBeOvertaken ? pauseBefore(loaded.get(id)?.turn, performance.now(), Math.random()) : 0;
        if (pauseMs > 0) await pause(pauseMs);
        await write(id, takeJobs(queue));
      }
    }
    queues.delete(id);
  };

  const write = async (id: string, waiting: Waiting<Command, State, Event>[]): Promise<void> => {
    // Awaiting only what is a promise keeps the usual path synchronous up to the append.
    const jobs = waiting.every(isMade) ? waiting : await made(waiting);
    while (jobs.length > 0) {
      try {
        const before = loaded.get(id)?.turn;
        const startedAt = performance.now();
        const { conflicts, ...next } = await transact(log, route, route.stream(id), await load(id), jobs, isShared);
        const turn = canBeOvertaken ? nextTurn(before, startedAt, performance.now(), conflicts) : undefined;
        remember(id, next, turn);
      } catch (error) {
        loaded.delete(id);
        for (const job of jobs.splice(0)) refuse(job, error);
      }
    }
  };

  const load = async (id: string): Promise<Loaded<State, Index>> =>
    loaded.get(id) ?? (await loadAggregate(log, route, route.stream(id), snapshots));

  const isOlder = (known: Known<State, Index>, ageMsMax: number): boolean =>
    isShared && performance.now() - known.knownAt > ageMsMax;

  /** What does not exist is not kept: ids that a client guesses must not drive out conversations that are in use. */
  const remember = (id: string, next: Loaded<State, Index>, turn: Turn | undefined): void => {
    if (next.revision < 0) return;
    // Written out: what is put together by spread here takes a third of a kibibyte more, each a shape of its own.
    const { state, index, revision, eventId, snapshotAt } = snapshots.keep(route.stream(id), next);
    const knownAt = isShared ? performance.now() : 0;
    loaded.set(id, { state, index, revision, eventId, snapshotAt, knownAt, turn });
  };

  const inspect = async (id: string, { inspect: seen, fail, ageMsMax }: Inspection<State>): Promise<void> => {
    try {
      const known = loaded.get(id);
      const isOld = known !== undefined && isOlder(known, ageMsMax);
      const next = isOld ? await catchUp(log, route, route.stream(id), known) : await load(id);
      if (known === undefined || isOld) remember(id, next, known?.turn);
      seen(next.state);
    } catch (error) {
      // A part may have been folded in already, in place.
      loaded.delete(id);
      fail(asError(error));
    }
  };

  return {
    submit: (id, command) =>
      new Promise((resolve, reportDefect) => {
        const settle: Job<Command, State, Event>["settle"] = (outcome) => {
          pending -= 1;
          resolve(outcome);
        };
        const fail = (error: Error): void => {
          pending -= 1;
          reportDefect(error);
        };
        pending += 1;
        // Its turn may come long after it rejects: without a listener until then the process would end.
        if (command instanceof Promise) command.catch(() => undefined);
        if (!enqueue(id, { command, arrivedAt: performance.now(), settle, fail })) settle(E.left(overloaded));
      }),
    current: (id, ageMsMax = trustedMs) => {
      const idle = queues.has(id) ? undefined : loaded.get(id);
      if (idle !== undefined && !isOlder(idle, ageMsMax)) return Promise.resolve(idle.state);
      return new Promise((resolve, fail) => {
        if (!enqueue(id, { inspect: resolve, fail, ageMsMax })) fail(new LogError("UNAVAILABLE", overloaded.message));
      });
    },
    peek: (id) => {
      const known = loaded.peek(id);
      if (known === undefined) return undefined;
      const { state, revision, knownAt } = known;
      return { state, revision, ageMs: isShared ? performance.now() - knownAt : 0 };
    },
    pending: () => pending,
  };
};

const takeJobs = <Command, State, Event>(
  queue: (Waiting<Command, State, Event> | Inspection<State>)[],
): Waiting<Command, State, Event>[] => {
  const end = queue.findIndex((item, index) => "inspect" in item || index >= limits.commandsPerAppendMax);
  return queue.splice(0, end < 0 ? queue.length : end) as Waiting<Command, State, Event>[];
};

const isMade = <Command, State, Event>(
  waiting: Waiting<Command, State, Event>,
): waiting is Job<Command, State, Event> => !(waiting.command instanceof Promise);

/** Awaits them together, and refuses those that could not be made. */
const made = async <Command, State, Event>(
  waiting: readonly Waiting<Command, State, Event>[],
): Promise<Job<Command, State, Event>[]> => {
  const commands = await Promise.allSettled(waiting.map(({ command }) => command));
  return waiting.flatMap((job, index) => {
    const command = commands[index];
    if (command?.status === "fulfilled") return [{ ...job, command: command.value }];
    refuse(job, command?.reason);
    return [];
  });
};

const overloaded: Rejection = {
  ...reject("UNAVAILABLE", "Too much is waiting for this conversation; nothing was written. Retry with the same key."),
  retryAfter: 1,
};
