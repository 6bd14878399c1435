import fc from "fast-check";
import { expect, it } from "vitest";
import { LogError } from "../../../../src/commands/ports.js";
import {
  asPosition,
  asRevision,
  noPosition,
  type Position,
  type RecordedEvent,
} from "../../../../src/domain/kernel/stream.js";
import { createFeed } from "../../../../src/infra/event-log/sqlite/feed.js";
import { randomFrom } from "../../../kit/random.js";
import { seed, withSeed } from "../../../kit/seed.js";
import { settled, someTurns } from "../../../kit/turns.js";

const eventsAfter = (after: Position, to: Position): readonly RecordedEvent[] =>
  Array.from({ length: to - after }, (_, index) => {
    const position = after + index + 1;
    return {
      position: asPosition(position),
      stream: "s",
      revision: asRevision(position - 1),
      id: `${position}`,
      type: "T",
      data: "{}",
      meta: "{}",
    };
  });

/** A log with three events that cannot be read while `refusing` says why; pauses are counted and last until `endPause`. */
const setUp = () => {
  const seen: Position[] = [];
  const failures: Error[] = [];
  const pausesMs: number[] = [];
  const refusing: { reason?: Error } = {};
  let resume: () => void = () => undefined;
  const read = (after: Position) =>
    refusing.reason === undefined
      ? Promise.resolve(eventsAfter(after, asPosition(3)))
      : Promise.reject(refusing.reason);
  const pause = (ms: number) => {
    pausesMs.push(ms);
    return new Promise<void>((resolve) => (resume = resolve));
  };
  const feed = createFeed(asPosition(3), read, pause);
  const subscribe = () =>
    feed.subscribe(noPosition, {
      onEvents: (events) => void seen.push(...events.map(({ position }) => position)),
      onFailure: (error) => failures.push(error),
    });
  const endPause = async () => {
    resume();
    await settled();
  };
  return { feed, seen, failures, pausesMs, refusing, subscribe, endPause };
};

const busy = new LogError("UNAVAILABLE", "1000 reads of the log are waiting");

it("asks for a page again that the log could not give now, and goes on without a gap", async () => {
  const { feed, seen, failures, pausesMs, refusing, subscribe, endPause } = setUp();
  refusing.reason = busy;
  subscribe();
  await settled();
  for (let times = 0; times < 3; times += 1) await endPause();
  expect([pausesMs.length, seen]).toEqual([4, []]);
  feed.advance(asPosition(4), eventsAfter(asPosition(3), asPosition(4)));
  delete refusing.reason;
  await endPause();
  expect(seen).toEqual([1, 2, 3, 4]);
  feed.advance(asPosition(5), eventsAfter(asPosition(4), asPosition(5)));
  expect([seen.at(-1), failures]).toEqual([5, []]);
});

it("ends, and says so, when the log has given nothing for half a minute", async () => {
  const { feed, failures, pausesMs, refusing, subscribe, endPause } = setUp();
  refusing.reason = busy;
  subscribe();
  await settled();
  while (failures.length === 0 && pausesMs.length < 1_000) await endPause();
  expect([failures, feed.active()]).toEqual([[busy], false]);
  const waitedMs = pausesMs.reduce((sum, ms) => sum + ms, 0);
  expect(waitedMs).toBeGreaterThan(15_000);
  expect(waitedMs).toBeLessThan(60_000);
});

it("ends at once for what no repetition mends", async () => {
  const { failures, pausesMs, refusing, subscribe } = setUp();
  refusing.reason = new Error("no event");
  subscribe();
  await settled();
  expect([failures, pausesMs]).toEqual([[refusing.reason], []]);
});

it("says nothing more to a subscriber that stops during a pause", async () => {
  const { feed, seen, failures, pausesMs, refusing, subscribe, endPause } = setUp();
  refusing.reason = busy;
  const subscription = subscribe();
  await settled();
  subscription.stop();
  await endPause();
  expect([seen, failures, pausesMs.length, feed.active()]).toEqual([[], [], 1, false]);
});

it(`leaves no event out and none twice, however slow pages and subscribers are (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(20), async (chance, from) => {
      const random = randomFrom(chance);
      const turns = () => someTurns(random, 4);
      let head = 20;
      const readPage = async (after: Position) => {
        await turns();
        const to = Math.min(head, after + 1 + random.int(8));
        await turns();
        return eventsAfter(after, asPosition(to));
      };
      const feed = createFeed(asPosition(head), readPage);
      const seen: Position[] = [];
      const failures: Error[] = [];
      feed.subscribe(asPosition(from), {
        onEvents: (events) => {
          seen.push(...events.map(({ position }) => position));
          return random.chance(0.5) ? turns() : undefined;
        },
        onFailure: (error) => failures.push(error),
      });
      for (let batch = 0; batch < 40; batch += 1) {
        const to = head + 1 + random.int(3);
        const events = eventsAfter(asPosition(head), asPosition(to));
        head = to;
        feed.advance(asPosition(to), events);
        if (random.chance(0.7)) await turns();
      }
      await expect.poll(() => seen.at(-1) ?? from, { interval: 1 }).toBe(head);
      expect(seen).toEqual(eventsAfter(asPosition(from), asPosition(head)).map(({ position }) => position));
      expect(failures).toEqual([]);
    }),
    withSeed({ numRuns: 200 }),
  );
});
