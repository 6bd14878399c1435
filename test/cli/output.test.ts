import { describe, expect, it } from "vitest";
import { counted, progressLine } from "../../src/cli/output.js";

describe("progress", () => {
  const line = (done: number, ms: number, since = 0) =>
    progressLine("reading", "events", { done, of: 10_000, since, ms });

  it("tells the share, the rate and the time that is left", () => {
    expect(line(2_500, 1_000)).toBe(
      "reading [########......................] 25 % of 10,000, 2,500 events/s, 3 s left",
    );
    expect(line(1, 10_000)).toContain(", 27 h 46 min left");
  });

  it("counts only what this run has done: a resumed one does not boast", () => {
    expect(line(7_500, 1_000, 7_000)).toContain("75 % of 10,000, 500 events/s, 5 s left");
  });

  it("says no rate before it knows one, and ends at the whole", () => {
    expect(line(100, 10)).not.toContain("/s");
    expect(progressLine("reading", "events", { done: 0, of: 0, since: 0, ms: 1 })).toContain("100 % of 0");
    expect(line(10_000, 1_000)).toContain("100 % of 10,000");
  });

  it("says how far it is where nobody knows how far it is to go", () => {
    const unknown = progressLine("comparing", "rows", { done: 3_000, of: 0, since: 0, ms: 1_000 });
    expect(unknown).toBe("comparing 3,000 rows, 3,000 rows/s");
  });
});

it("counts one thing in the singular", () => {
  expect([0, 1, 2_000].map((value) => counted(value, "event"))).toEqual(["0 events", "1 event", "2,000 events"]);
});
