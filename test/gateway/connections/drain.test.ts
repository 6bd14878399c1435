import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { drain, type Drainable } from "../../../src/gateway/connections/drain.js";
import { gatewayLimits } from "../../../src/gateway/limits.js";
import { closeMsMax, stopMsMax } from "../../../src/profiles/app.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = () => new Promise<void>(() => undefined);
type Situation = {
  readonly settle?: () => Promise<void>;
  readonly emptied?: () => Promise<void>;
  readonly connections?: number;
};
const start = (options: Situation) => {
  const told: number[] = [];
  const begun = performance.now();
  const one: Drainable = { close: () => void told.push(performance.now() - begun) };
  const connections = Array.from({ length: options.connections ?? 0 }, () => one);
  let endedAfterMs: number | undefined;
  const { settle = () => Promise.resolve(), emptied = () => Promise.resolve() } = options;
  void drain({ settle, emptied, connections: () => connections }).then(() => {
    endedAfterMs = performance.now() - begun;
  });
  return { told, endedAfterMs: () => endedAfterMs };
};

describe("a drain", () => {
  it("with nothing in flight is over when everybody is told", async () => {
    const { told, endedAfterMs } = start({ connections: 1_200 });
    await vi.advanceTimersByTimeAsync(gatewayLimits.drainMsMax);
    expect(told).toHaveLength(1_200);
    expect(new Set(told)).toEqual(new Set([0, 100, 200]));
    expect(endedAfterMs()).toBe(200);
  });

  it("waits for what is in flight, and tells meanwhile", async () => {
    let settle: () => void = () => undefined;
    const { told, endedAfterMs } = start({
      settle: () => new Promise((resolve) => (settle = resolve)),
      connections: 1,
    });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual([1_000]);
    expect(endedAfterMs()).toBeUndefined();
    settle();
    await vi.advanceTimersByTimeAsync(0);
    expect(endedAfterMs()).toBe(5_000);
  });

  it.each<[string, Situation]>([
    ["a log that does not answer", { settle: never }],
    ["clients that do not read", { emptied: never }],
    ["both, and more connections than there are", { settle: never, emptied: never, connections: 100_000 }],
  ])("ends within its budget and tells everybody, with %s", async (_what, options) => {
    const { told, endedAfterMs } = start(options);
    await vi.advanceTimersByTimeAsync(stopMsMax);
    expect(endedAfterMs()).toBe(gatewayLimits.drainMsMax);
    expect(told).toHaveLength(options.connections ?? 0);
    expect(Math.max(0, ...told)).toBeLessThanOrEqual(4_000);
  });

  it("leaves time to close the rest before the process leaves", () => {
    expect(gatewayLimits.drainMsMax).toBeLessThan(closeMsMax);
    expect(closeMsMax).toBeLessThan(stopMsMax);
  });
});
