import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { asPosition, firstRevision, noPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { startFollower, type FollowerOptions } from "../../src/projections/follower.js";
import { StoreUnavailable } from "../../src/projections/ports/away.js";
import type { EventSource } from "../../src/projections/ports/event-source.js";
import { project } from "../../src/projections/registry.js";
import type { ProjectionFailure } from "../../src/projections/runner.js";
import type { ViewChange } from "../../src/projections/view-change.js";
import { createWriter, logs } from "../kit/arbitraries.js";
import { randomFrom } from "../kit/random.js";
import { seed, untilSeen } from "../kit/seed.js";
import { settled } from "../kit/turns.js";

type Subscriber = Parameters<EventSource["subscribe"]>[1];

/** A follower on a subscription that the test drives, and what it did, in order. */
const follow = (options: Partial<FollowerOptions> = {}) => {
  const done: (readonly ["write", readonly ViewChange[]] | readonly ["reached", number])[] = [];
  const told: (Error | undefined)[] = [];
  const ended: Error[] = [];
  const failures: ProjectionFailure[] = [];
  const subscribed: { from?: number | "head"; subscriber?: Subscriber; stopped: boolean } = { stopped: false };
  const follower = startFollower({
    source: {
      subscribe: (from, subscriber) => {
        Object.assign(subscribed, { from, subscriber });
        return { stop: () => (subscribed.stopped = true) };
      },
    },
    from: noPosition,
    isMine: () => true,
    write: (changes) => Promise.resolve(void done.push(["write", changes])),
    reached: (position) => Promise.resolve(void done.push(["reached", position])),
    onProblem: (problem) => told.push(problem),
    onEnded: (error) => ended.push(error),
    onFailure: (failure) => failures.push(failure),
    ...options,
  });
  const offer = async (events: readonly RecordedEvent[]): Promise<void> => subscribed.subscriber?.onEvents(events);
  return { follower, offer, done, told, ended, failures, subscribed };
};

const usersLog = (count: number): readonly RecordedEvent[] => {
  const { log, write } = createWriter();
  for (let i = 0; i < count; i += 1)
    write(`user-${i}`, `${i}`, { type: "UserRegistered", userId: `${i}`, home: "main" });
  return log;
};
const changesOf = (events: readonly RecordedEvent[]): readonly ViewChange[] =>
  events.flatMap((recorded) => project(decodeEvent(recorded), recorded));
const broken = (position: number): RecordedEvent => ({
  ...{ id: "broken", type: "UserRegistered", data: "{", meta: "{}" },
  ...{ stream: "user-x", revision: firstRevision, position: asPosition(position) },
});
const storeAway = new StoreUnavailable("away");

describe("the follower", () => {
  beforeEach(() => {
    // No back-off worth waiting for.
    vi.spyOn(Math, "random").mockReturnValue(0);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("writes a batch, says how far it came, and only then takes the next", async () => {
    const log = usersLog(5);
    const { offer, done, subscribed } = follow({ from: asPosition(7) });
    expect(subscribed.from).toBe(7);
    await offer(log.slice(0, 2));
    expect(done).toEqual([
      ["write", changesOf(log.slice(0, 2))],
      ["reached", 2],
    ]);
    await offer(log.slice(2));
    expect(done.slice(2)).toEqual([
      ["write", changesOf(log.slice(2))],
      ["reached", 5],
    ]);
  });

  it("writes what is its own, and comes past the rest without a write, be it readable or not", async () => {
    const log = usersLog(4);
    const { offer, done, failures } = follow({ isMine: ({ position }) => position === 2 });
    await offer(log);
    await offer([broken(5)]);
    expect(done).toEqual([
      ["write", changesOf(log.slice(1, 2))],
      ["reached", 4],
      ["reached", 5],
    ]);
    expect(failures).toEqual([]);
  });

  it("stops at what it cannot project, with everything before it written and reached, and nothing after", async () => {
    const log = usersLog(3);
    const { follower, offer, done, failures, subscribed } = follow();
    await offer([...log.slice(0, 2), broken(3), { ...(log[2] ?? broken(4)), position: asPosition(4) }]);
    expect(done).toEqual([
      ["write", changesOf(log.slice(0, 2))],
      ["reached", 2],
    ]);
    expect(failures).toMatchObject([{ event: { position: 3 } }]);
    expect(subscribed.stopped).toBe(true);
    await offer(log);
    subscribed.subscriber?.onFailure(new Error("late"));
    await follower.stop();
    expect([done.length, failures.length]).toEqual([2, 1]);
  });

  it("says nothing of what is before an event that is broken and the first", async () => {
    const { offer, done, failures } = follow();
    await offer([broken(1)]);
    expect([done, failures.length]).toEqual([[], 1]);
  });

  it("repeats what the store answers with nonsense, tells it, and tells when it goes on; it is behind until then", async () => {
    for (const part of ["write", "reached"] as const) {
      const error = new Error("nonsense");
      let failing = 5;
      const { offer, done, told, failures, subscribed } = follow({
        [part]: () => (failing-- > 0 ? Promise.reject(error) : Promise.resolve(void done.push([part, 2] as never))),
      });
      await offer(usersLog(2));
      expect(done.map(([what]) => what)).toEqual(["write", "reached"]);
      expect(told).toEqual([error, error, error, error, error, undefined]);
      expect([failures, subscribed.stopped]).toEqual([[], false]);
    }
  });

  it("tells when its subscription ends by itself, and takes nothing more", async () => {
    const { ended, offer, done, failures, subscribed } = follow();
    const error = new Error("the log is gone");
    subscribed.subscriber?.onFailure(error);
    subscribed.subscriber?.onFailure(error);
    await offer(usersLog(2));
    expect([ended, done, failures]).toEqual([[error], [], []]);
  });

  it("stop waits for what is under way, and nothing is written after it", async () => {
    let goOn: () => void = () => undefined;
    const writes: number[] = [];
    const write = async (changes: readonly ViewChange[]): Promise<void> => {
      await new Promise<void>((resolve) => (goOn = resolve));
      writes.push(changes.length);
    };
    const { follower, offer, failures, subscribed } = follow({ write });
    const working = offer(usersLog(2));
    let stopped = false;
    const stopping = follower.stop().then(() => (stopped = true));
    await settled();
    expect([stopped, writes.length, subscribed.stopped]).toEqual([false, 0, true]);
    goOn();
    await Promise.all([stopping, working]);
    expect(writes).toHaveLength(1);
    await offer(usersLog(3));
    expect([writes.length, failures]).toEqual([1, []]);
  });

  it("gives up on a store that is away when it is stopped, without calling that a failure", async () => {
    const { follower, offer, told, failures } = follow({ write: () => Promise.reject(storeAway) });
    const working = offer(usersLog(1));
    await follower.stop();
    await working;
    expect([told.length <= 1, failures]).toEqual([true, []]);
  });

  it(`has written all that is its own up to where it says it is, at every moment (seed ${seed})`, async () => {
    const seen = { away: 0 };
    await untilSeen(seen, 1, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, fc.nat(), async (log, chance) => {
          const random = randomFrom(chance);
          const written = new Set<string>();
          const reachedAll: number[] = [];
          /** Fails before or after it has worked, now and then. */
          const flaky = async (work: () => void): Promise<void> => {
            if (random.chance(0.15)) throw storeAway;
            await settled();
            work();
            if (random.chance(0.15)) throw storeAway;
          };
          const isMine = ({ stream }: RecordedEvent): boolean => !stream.includes("g_one");
          const mineUpTo = (position: number) => log.filter((each) => each.position <= position && isMine(each));
          const { offer, told, failures } = follow({
            isMine,
            write: (changes) =>
              flaky(() => {
                for (const change of changes) written.add(JSON.stringify(change));
              }),
            reached: (position) =>
              flaky(() => {
                reachedAll.push(position);
                expect(changesOf(mineUpTo(position)).filter((each) => !written.has(JSON.stringify(each)))).toEqual([]);
              }),
          });
          for (let from = 0; from < log.length;) {
            const size = 1 + random.int(12);
            await offer(log.slice(from, from + size));
            from += size;
          }
          expect(reachedAll).toEqual(reachedAll.toSorted((a, b) => a - b));
          expect([reachedAll.at(-1), failures]).toEqual([log.length, []]);
          const own = new Set(changesOf(mineUpTo(Infinity)).map((each) => JSON.stringify(each)));
          expect(written).toEqual(own);
          seen.away += told.filter((problem) => problem !== undefined).length;
        }),
        runs(30),
      ),
    );
  });
});
