import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pause, within } from "../../src/lib/time.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const ended = (promise: Promise<unknown>): (() => boolean) => {
  let isOver = false;
  void promise.then(() => (isOver = true));
  return () => isOver;
};

describe("a pause", () => {
  it("ends after its time, by a test's clock too", async () => {
    const isOver = ended(pause(60_000));
    await vi.advanceTimersByTimeAsync(59_999);
    expect(isOver()).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(isOver()).toBe(true);
  });

  it("ends at once when it is stopped, before or meanwhile, and leaves neither timer nor listener", async () => {
    const stopping = new AbortController();
    const removed = vi.spyOn(stopping.signal, "removeEventListener");
    const [long, done] = [pause(60_000, { stopped: stopping.signal }), pause(1, { stopped: stopping.signal })];
    await vi.advanceTimersByTimeAsync(1);
    await done;
    expect(removed).toHaveBeenCalledTimes(1);
    stopping.abort();
    await long;
    await pause(60_000, { stopped: stopping.signal });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("work within a time", () => {
  it("answers what it answers, or rejects as it rejects", async () => {
    expect(await within(Promise.resolve(7), 1_000)).toBe(7);
    await expect(within(Promise.reject(new Error("its own")), 1_000)).rejects.toThrow("its own");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("that is late is what `late` says, and without it an error that names the time", async () => {
    const never = new Promise<never>(() => undefined);
    const [said, thrown] = [within(never, 1_500, () => "late"), within(never, 1_500)];
    const refused = expect(thrown).rejects.toThrow("no answer within 1.5 s");
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await said).toBe("late");
    await refused;
  });
});
