import { describe, expect, it } from "vitest";
import { costFigures, shareOf } from "../../bench/load/cost.js";
import { hasProc, helpers, namesIn, threadSecondsOf, totalOf } from "../../bench/server/threads.js";
import { lagIn } from "../../bench/server/views.js";

describe("what a message cost", () => {
  it("counts the views' catch-up with the load, as far as the measured messages caused it", () => {
    expect(shareOf({ before: 0, after: 8_000 }, 8_000)).toBe(1);
    expect(shareOf({ before: 6_000, after: 8_000 }, 10_000)).toBe(0.2);
    expect(shareOf({ before: 2_000, after: 1_000 }, 2_000)).toBe(-0.5);
    expect(shareOf({ before: 0, after: 500 }, 0)).toBe(0);
    expect(shareOf({ before: 0, after: 500 }, 5)).toBe(1);
  });

  it("is told in all and by thread, and of the catch-up by itself", () => {
    const during = { main: 0.06, views: 0.02 };
    const figures = costFigures(during, { views: 0.01, "key-store": 0.001 }, { messages: 1_000, deliveries: 2_000 });
    expect(
      Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 10) / 10])),
    ).toEqual({
      ...{ cpuMicrosecondsPerMessage: 91, cpuMicrosecondsPerDelivery: 45.5, catchUpMicrosecondsPerMessage: 11 },
      ...{ mainMicrosecondsPerMessage: 60, viewsMicrosecondsPerMessage: 30, keyStoreMicrosecondsPerMessage: 1 },
    });
  });

  it.runIf(hasProc)("is of this process's threads, those without a name being helpers", () => {
    const seconds = threadSecondsOf(process.pid, namesIn(`${process.pid} main\n`));
    expect(Object.keys(seconds).toSorted()).toEqual([helpers, "main"]);
    expect(totalOf(seconds)).toBeGreaterThan(0);
  });

  it("knows how far views are behind from the server's metrics, and refuses what does not say it", () => {
    const text = `# TYPE parley_projection_lag_events gauge\nparley_projection_lag_events{projection="views"} 1234\n`;
    expect(lagIn(text)).toBe(1234);
    expect(() => lagIn("parley_connections 1\n")).toThrow("do not tell how far");
  });
});
