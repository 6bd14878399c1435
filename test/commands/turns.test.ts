import { describe, expect, it } from "vitest";
import { nextTurn, pauseBefore, type Turn } from "../../src/commands/turns.js";

const appendMs = 3;
const none: (index: number) => number = () => 0;

/**
 * Appends one right after the other, as a process with much to write does. Timers may end a pause early, by `earlyMs`.
 * Answers the pauses, and those before an append by its number.
 */
const appending = (count: number, { earlyMs = 0, conflicts = none, random = 1 } = {}) => {
  const pauses: { readonly before: number; readonly ms: number }[] = [];
  let now = 1_000;
  let turn: Turn | undefined;
  for (let index = 1; index <= count; index += 1) {
    const ms = pauseBefore(turn, now, random);
    if (ms > 0) pauses.push({ before: index, ms });
    now += Math.max(0, ms - earlyMs);
    const startedAt = now;
    now += appendMs;
    turn = nextTurn(turn, startedAt, now, conflicts(index));
  }
  return pauses;
};

describe("a stream that several processes may write", () => {
  it("is paused for once in 64 appends where nobody else writes, also when timers are early", () => {
    for (const earlyMs of [0, 0.4, 2]) {
      const pauses = appending(1_000, { earlyMs });
      expect(pauses.map(({ before }) => before)).toEqual(Array.from({ length: 15 }, (_, index) => 65 + 64 * index));
      for (const { ms } of pauses) expect(ms).toBeCloseTo(2 * appendMs + 10);
    }
  });

  it("is paused for before each append while others write, and no longer than a second after they did", () => {
    const pauses = appending(1_000, { conflicts: (index) => (index === 5 ? 1 : 0), random: 0.5 });
    const rivalled = pauses.filter(({ ms }) => ms < 2 * appendMs + 10);
    expect(rivalled[0]?.before).toBe(6);
    const eachMs = (2 * appendMs + 10) / 2 + appendMs;
    expect(rivalled.length).toBeGreaterThan(1_000 / eachMs - 2);
    expect(rivalled.length).toBeLessThan(1_000 / eachMs + 2);
  });

  it("is never paused for longer than 50 ms, however slow the log", () => {
    const turn = nextTurn(undefined, 0, 5_000, 1);
    expect(pauseBefore(turn, 5_000, 1)).toBe(50);
    expect(pauseBefore(turn, 5_049, 1)).toBe(1);
    expect(pauseBefore(turn, 5_051, 1)).toBe(0);
  });
});
