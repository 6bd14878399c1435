import fc from "fast-check";
import { expect, it } from "vitest";
import { asPosition, asRevision, streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { lastThrough, positionBefore } from "../../src/operate/time-in-log.js";
import { logs } from "../kit/arbitraries.js";
import { logOfEvents } from "../kit/log-of-events.js";
import { withSeed } from "../kit/seed.js";

const hour = 3_600_000;

it("what was before a time is found by halving as by reading, though clocks were set back", async () => {
  // Each step of the clock in minutes: forwards mostly, at times back by less than an hour in all.
  const stepsFrom = (min: number) => fc.array(fc.integer({ min, max: 120 }), { minLength: 200, maxLength: 200 });
  const steps = fc.oneof(stepsFrom(-20), stepsFrom(0));
  await fc.assert(
    fc.asyncProperty(logs, steps, fc.nat(), async (events, minutes, pick) => {
      let furthest = 0;
      let now = 0;
      const dated = events.map((event, index) => {
        now = Math.max(now + (minutes[index] ?? 0) * 60_000, furthest - hour + 1);
        furthest = Math.max(furthest, now);
        const meta = { ...(JSON.parse(event.meta) as object), at: now };
        return { ...event, position: asPosition((index + 1) * 3), meta: JSON.stringify(meta) };
      });
      // At an event's own time, right after it, and anywhere.
      const told = dated.map(({ meta }) => (JSON.parse(meta) as { at: number }).at);
      const near = told[(pick >> 2) % told.length] ?? 0;
      const time = [near, near + 1][pick % 4] ?? pick % (furthest + hour);
      const log = logOfEvents(dated);
      const first = dated.findIndex(({ meta }) => (JSON.parse(meta) as { at: number }).at >= time);
      const expected = first === -1 ? (dated.at(-1)?.position ?? 0) : (dated[first - 1]?.position ?? 0);
      expect(await positionBefore({ profile: "embedded" }, log, time)).toBe(expected);
      expect(await positionBefore({ profile: "distributed" }, log, time)).toBe(expected);
      // The other end of a time: never before this one, and the same where no clock was set back.
      const through = dated.findLast(({ meta }) => (JSON.parse(meta) as { at: number }).at < time)?.position ?? 0;
      expect((await lastThrough(log, time - 1, await log.head()))?.position ?? 0).toBe(through);
      expect(through).toBeGreaterThanOrEqual(expected);
      if (minutes.every((step) => step >= 0)) expect(through).toBe(expected);
    }),
    withSeed({ numRuns: 100 }),
  );
});

it("that a log was imported later does not hide what was before a time", async () => {
  const stored = (stream: string, position: number, at: number): RecordedEvent => ({
    ...{ id: `${position}`, type: "T", data: "{}", meta: JSON.stringify({ at }), stream },
    ...{ revision: asRevision(position - 1), position: asPosition(position) },
  });
  const log = logOfEvents([
    stored(streamOf.log, 1, 9_000),
    ...[1_000, 2_000, 3_000].map((at, index) => stored("user-a", index + 2, at)),
    stored(streamOf.log, 5, 9_001),
    stored("user-a", 6, 9_500),
  ]);
  for (const profile of ["embedded", "distributed"] as const)
    expect(await Promise.all([500, 2_000, 5_000, 10_000].map((at) => positionBefore({ profile }, log, at)))).toEqual([
      0, 2, 4, 6,
    ]);
});
