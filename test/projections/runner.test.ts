import { afterEach, describe, expect, it, vi } from "vitest";
import { asPosition, firstRevision, noPosition, streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import type { Checkpoint } from "../../src/projections/ports/view-store.js";
import { startRunner, type ProjectionFailure, type RunnerOptions } from "../../src/projections/runner.js";
import { createWriter } from "../kit/arbitraries.js";
import { settled } from "../kit/turns.js";

afterEach(() => {
  vi.useRealTimers();
});

/** A log in memory that grows by one user an event, and a runner on it which writes down what it does. */
const setUp = (options: Partial<RunnerOptions> = {}) => {
  const { log, write } = createWriter();
  const batches: { readonly size: number; readonly checkpoint: Checkpoint }[] = [];
  const failures: ProjectionFailure[] = [];
  const problems: (Error | undefined)[] = [];
  const waiting: { readonly position: number; readonly resolve: () => void }[] = [];
  const runner = startRunner({
    source: { readAll: (from, count) => Promise.resolve(log.slice(from, from + count)) },
    apply: (changes, checkpoint) => {
      batches.push({ size: changes.length, checkpoint });
    },
    from: { position: noPosition, epoch: "e" },
    onCheckpoint: ({ position }) => {
      for (const waiter of waiting) if (waiter.position <= position) waiter.resolve();
    },
    onProblem: (problem) => problems.push(problem),
    onFailure: (failure) => failures.push(failure),
    ...options,
  });
  const grow = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const userId = `user-${log.length}`;
      write(streamOf.user(userId), userId, { type: "UserRegistered", userId, home: "main" });
    }
  };
  const reached = (position: number): Promise<void> =>
    new Promise((resolve) => {
      if (runner.checkpoint().position >= position) resolve();
      else waiting.push({ position: asPosition(position), resolve });
    });
  return { log, grow, runner, batches, failures, problems, reached };
};

/** More than any test has batches: what has not happened after them waits for time. */
const manyTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await settled();
};

const broken = (position: number): RecordedEvent => ({
  ...{ id: "broken", type: "UserRegistered", data: "{", meta: "{}" },
  ...{ stream: "user-x", revision: firstRevision, position: asPosition(position) },
});

describe("the runner", () => {
  it("projects page after page, each event once, in order", async () => {
    const { grow, runner, batches, reached } = setUp({ batchEventsMax: 10, batchIntervalMs: 0 });
    grow(35);
    runner.wake();
    await reached(35);
    expect(batches.map(({ size }) => size)).toEqual([10, 10, 10, 5]);
    expect(batches.map(({ checkpoint }) => checkpoint.position)).toEqual([10, 20, 30, 35]);
    await runner.stop();
  });

  it("takes fewer of large events at once, whatever their number, and goes on without a pause", async () => {
    const { log, grow, runner, batches, reached } = setUp({ batchIntervalMs: 1_000_000 });
    grow(600);
    log.forEach((event, index) => (log[index] = { ...event, data: event.data + " ".repeat(64 * 1024) }));
    runner.wake();
    await reached(600);
    expect(batches.map(({ size }) => size)).toEqual([128, 128, 128, 128, 88]);
    await runner.stop();
  });

  it("lets batches fill while nobody waits, and hurries when somebody does", async () => {
    const batchIntervalMs = 15_000;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { grow, runner, batches, reached } = setUp({ batchIntervalMs, batchEventsMax: 3 });
    grow(1);
    runner.wake();
    await reached(1);
    for (let wakes = 0; wakes < 2; wakes += 1) {
      grow(1);
      runner.wake();
    }
    await vi.advanceTimersByTimeAsync(batchIntervalMs - 1);
    expect(batches).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await reached(3);
    grow(4);
    runner.wake();
    await settled();
    expect(batches.map(({ size }) => size)).toEqual([1, 2]);
    runner.hurry(asPosition(7));
    await reached(7);
    expect(batches.map(({ size }) => size)).toEqual([1, 2, 3, 1]);
    await runner.stop();
  });

  it("rests after a batch that was not full and never after a full one, which leaves a turn to others all the same", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const turns: number[] = [];
    const { grow, runner, batches } = setUp({
      batchIntervalMs: 15_000,
      batchEventsMax: 2,
      onCheckpoint: () => void settled().then(() => turns.push(batches.length)),
    });
    grow(7);
    runner.wake();
    await manyTurns();
    expect(batches.map(({ size }) => size)).toEqual([2, 2, 2, 1]);
    expect(turns).toEqual([1, 2, 3, 4]);
    grow(7);
    runner.wake();
    await manyTurns();
    expect(batches).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(15_000);
    await manyTurns();
    expect(batches.map(({ size }) => size)).toEqual([2, 2, 2, 1, 2, 2, 2, 1]);
    await runner.stop();
  });

  it("stops at what it cannot project, with everything before it written", async () => {
    const { log, grow, runner, batches, failures, reached } = setUp();
    grow(4);
    log.push(broken(5));
    grow(3);
    runner.wake();
    await reached(4);
    await runner.stop();
    expect(batches.at(-1)?.checkpoint).toEqual({ position: 4, epoch: "e" });
    expect(failures).toMatchObject([{ event: { type: "UserRegistered", stream: "user-x", revision: 0, position: 5 } }]);
    runner.wake();
    await runner.stop();
    expect(failures).toHaveLength(1);
  });

  it("tries again while the store or the log fails, tells it, and goes on from its checkpoint", async () => {
    for (const part of ["apply", "readAll"] as const) {
      const error = new Error("database or disk is full");
      let failing = 4;
      const events: RecordedEvent[] = [];
      const applied: number[] = [];
      const { log, grow, runner, failures, problems, reached } = setUp({
        apply: (_, { position }) => {
          if (part === "apply" && failing-- > 0) throw error;
          applied.push(position);
        },
        source: {
          readAll: (from, count) =>
            part === "readAll" && failing-- > 0
              ? Promise.reject(error)
              : Promise.resolve(events.slice(from, from + count)),
        },
      });
      grow(2);
      events.push(...log);
      runner.wake();
      await reached(2);
      await runner.stop();
      expect([applied, failures]).toEqual([[2], []]);
      expect(problems).toEqual([error, error, error, error, undefined]);
    }
  });

  it("ends at once when it is stopped while the store fails", async () => {
    const failed = new Promise<void>((resolve) => {
      const { grow, runner } = setUp({
        apply: () => Promise.reject(new Error("disk full")),
        onProblem: () => {
          void runner.stop().then(resolve);
        },
      });
      grow(2);
      runner.wake();
    });
    await failed;
  });

  it("writes nothing after it has stopped", async () => {
    const { grow, runner, batches } = setUp({ batchEventsMax: 1, batchIntervalMs: 0 });
    grow(1_000);
    runner.wake();
    await runner.stop();
    const written = batches.length;
    runner.wake();
    runner.hurry(asPosition(1_000));
    await settled();
    expect(batches).toHaveLength(written);
    expect(written).toBeLessThan(1_000);
  });
});
