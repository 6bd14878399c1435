import { E, type Either } from "../domain/kernel/fp.js";
import { reject, type Rejection } from "../domain/rejections.js";
import type { Revision } from "../domain/kernel/stream.js";
import { asError } from "../lib/errors.js";
import { pause } from "../lib/time.js";
import { LogError, type AppendResult, type EventLog } from "./ports.js";
import { startPosition, type CommandResult, type Job } from "./batch.js";
import { answeringFirst, decideReady } from "./from-memory.js";
import type { Loaded, Route, Routed, RoutedEvent } from "./routes.js";
import { catchUp, loadAggregate } from "./load.js";
import type { Snapshots } from "./snapshots.js";
import { createKnownStates, type Known } from "./known-states.js";
import { nextTurn, pauseBefore } from "./turns.js";
import { isJob, made, takeJobs, type Inspection, type Queue, type Waiting } from "./queue.js";
import { refuse } from "./refuse.js";
import { accepted, settleAll, transact } from "./transact.js";

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
   * `submit` by calling back, perhaps before this returns: exactly one of the two, once. Neither may throw: the answers of
   * other commands come after it.
   */
  readonly submitThen: (
    id: string,
    command: Command | Promise<Command>,
    settled: (outcome: Either<Rejection, CommandResult<Command, State, Event>>) => void,
    failed: (error: Error) => void,
  ) => void;
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
  const queues = new Map<string, Queue<Command, State, Event>>();
  const states = createKnownStates(route, snapshots, loadedBytesMax, (id) => queues.has(id));
  const canBeOvertaken = isShared && route.expects === "revision";
  /** Where this process alone appends, and the log calls back, most commands need no promise at all. */
  const appendThen = isShared || route.expects === "any" ? undefined : log.appendThen;
  let pending = 0;

  const enqueue = (id: string, item: Waiting<Command, State, Event> | Inspection<State>): boolean => {
    const queue = queues.get(id);
    if (queue === undefined) {
      const fresh = [item];
      queues.set(id, fresh);
      goOn(id, fresh);
      return true;
    }
    if (queue.length >= queueMax) return false;
    queue.push(item);
    return true;
  };

  /** Works on a queue until it is empty, from memory as long as that will do. */
  const goOn = (id: string, queue: Queue<Command, State, Event>): void => {
    while (queue.length > 0) {
      const progress = writeNow(id, queue);
      if (progress === "writing") return;
      if (progress === "notFromMemory") {
        void work(id, queue);
        return;
      }
    }
    queues.delete(id);
  };

  /**
   * What `write` does, in one go and called back by the log: for commands that wait for nothing to be read, made or asked.
   * What the log does not simply take goes on as `write`, which gets the log's answer as that of its own first append.
   */
  const writeNow = (id: string, queue: Queue<Command, State, Event>): "writing" | "settled" | "notFromMemory" => {
    const known = appendThen === undefined ? undefined : states.get(id);
    const batch = known && decideReady(route, known, queue);
    if (appendThen === undefined || known === undefined || batch === undefined) return "notFromMemory";
    const jobs = queue.splice(0, batch.outcomes.length) as Job<Command, State, Event>[];
    if (batch.events.length === 0) {
      settleAll(batch, jobs, startPosition);
      return "settled";
    }
    const otherwise = (answer: () => Promise<AppendResult>): void => {
      void write(id, jobs, answeringFirst(log, answer), known).then(() => {
        goOn(id, queue);
      });
    };
    appendThen(
      route.stream(id),
      known.revision,
      batch.events,
      (result) => {
        if (result.kind === "conflict") {
          otherwise(() => Promise.resolve(result));
          return;
        }
        try {
          states.advance(id, known, accepted(route, known, batch));
          settleAll(batch, jobs, result.position);
        } catch (error) {
          // It is durable, and cannot be folded or kept: a defect, and a retry finds it in the log.
          states.forget(id);
          for (const job of jobs.splice(0)) refuse(job, error);
        }
        goOn(id, queue);
      },
      (error) => {
        otherwise(() => Promise.reject(error));
      },
    );
    return "writing";
  };

  /** Runs until its queue is empty or can go on from memory; never rejects. */
  const work = async (id: string, queue: Queue<Command, State, Event>): Promise<void> => {
    const first = queue[0];
    if (first !== undefined && "inspect" in first) await inspect(id, queue.shift() as Inspection<State>);
    else if (first !== undefined) {
      const pauseMs = canBeOvertaken ? pauseBefore(states.get(id)?.turn, performance.now(), Math.random()) : 0;
      if (pauseMs > 0) await pause(pauseMs);
      await write(id, takeJobs(queue), log);
    }
    goOn(id, queue);
  };

  /** @param first what the jobs were decided on already: an append of theirs may stand in the log without an answer. */
  const write = async (
    id: string,
    waiting: Waiting<Command, State, Event>[],
    on: EventLog,
    first?: Loaded<State, Index>,
  ): Promise<void> => {
    let decidedOn = first;
    // Awaiting only what is a promise keeps the usual path synchronous up to the append.
    const jobs = waiting.every(isJob) ? waiting : await made(waiting);
    while (jobs.length > 0) {
      try {
        const before = states.get(id)?.turn;
        const startedAt = performance.now();
        const from = decidedOn ?? (await load(id));
        decidedOn = undefined;
        const done = await transact(on, route, route.stream(id), from, jobs, isShared);
        const { conflicts, settle, ...next } = done;
        const turn = canBeOvertaken ? nextTurn(before, startedAt, performance.now(), conflicts) : undefined;
        states.remember(id, next, turn);
        settle();
      } catch (error) {
        states.forget(id);
        for (const job of jobs.splice(0)) refuse(job, error);
      }
    }
  };

  const load = async (id: string): Promise<Loaded<State, Index>> =>
    states.get(id) ?? (await loadAggregate(log, route, route.stream(id), snapshots));

  const isOlder = (known: Known<State, Index>, ageMsMax: number): boolean =>
    isShared && performance.now() - known.knownAt > ageMsMax;

  const inspect = async (id: string, { inspect: seen, fail, ageMsMax }: Inspection<State>): Promise<void> => {
    try {
      const known = states.get(id);
      const isOld = known !== undefined && isOlder(known, ageMsMax);
      const next = isOld ? await catchUp(log, route, route.stream(id), known) : await load(id);
      if (known === undefined || isOld) states.remember(id, next, known?.turn);
      seen(next.state);
    } catch (error) {
      // A part may have been folded in already, in place.
      states.forget(id);
      fail(asError(error));
    }
  };

  const submitThen: Writer<Command, State, Event>["submitThen"] = (id, command, settled, failed) => {
    const settle: Job<Command, State, Event>["settle"] = (outcome) => {
      pending -= 1;
      settled(outcome);
    };
    const fail = (error: Error): void => {
      pending -= 1;
      failed(error);
    };
    pending += 1;
    // Its turn may come long after it rejects: without a listener until then the process would end.
    if (command instanceof Promise) command.catch(() => undefined);
    if (!enqueue(id, { command, arrivedAt: performance.now(), settle, fail })) settle(E.left(overloaded));
  };

  return {
    submit: (id, command) =>
      new Promise((resolve, reportDefect) => {
        submitThen(id, command, resolve, reportDefect);
      }),
    submitThen,
    current: (id, ageMsMax = trustedMs) => {
      const idle = queues.has(id) ? undefined : states.get(id);
      if (idle !== undefined && !isOlder(idle, ageMsMax)) return Promise.resolve(idle.state);
      return new Promise((resolve, fail) => {
        if (!enqueue(id, { inspect: resolve, fail, ageMsMax })) fail(new LogError("UNAVAILABLE", overloaded.message));
      });
    },
    peek: (id) => {
      const known = states.peek(id);
      if (known === undefined) return undefined;
      const { state, revision, knownAt } = known;
      return { state, revision, ageMs: isShared ? performance.now() - knownAt : 0 };
    },
    pending: () => pending,
  };
};

const overloaded: Rejection = {
  ...reject("UNAVAILABLE", "Too much is waiting for this conversation; nothing was written. Retry with the same key."),
  retryAfter: 1,
};
