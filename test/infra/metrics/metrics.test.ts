import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { labelledCounter, plainCounter } from "../../../src/infra/metrics/counters.js";
import { plainHistogram } from "../../../src/infra/metrics/histogram.js";
import { withSeed } from "../../kit/seed.js";

const linesOf = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics()).split("\n").toSorted();

describe("a plain histogram", () => {
  const bounds = [0.0005, 0.001, 0.25, 1, 5];
  const both = () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const [name, help] = ["a_seconds", 'How long "it" took.\nOn two lines.'];
    return {
      texts: () => Promise.all([ours.metrics(), theirs.metrics()]),
      observe: plainHistogram(ours, name, help, bounds),
      oracle: new Histogram({ name, help, buckets: bounds, registers: [theirs] }),
    };
  };
  const observation = fc.oneof(
    fc.constantFrom(...bounds, 0, -0, -1),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 6 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );

  it("is scraped as prom-client's own is, after the same observations", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(observation)), async (scrapes) => {
        const { observe, oracle, texts } = both();
        for (const observations of scrapes) {
          for (const value of observations) {
            observe(value);
            oracle.observe(value);
          }
          const [ours, theirs] = await texts();
          expect(ours).toBe(theirs);
        }
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it.each([Number.NaN, Infinity, -Infinity])("refuses %s, as prom-client's does, and counts nothing", async (value) => {
    const { observe, oracle, texts } = both();
    expect(() => {
      observe(value);
    }).toThrow(TypeError);
    expect(() => {
      oracle.observe(value);
    }).toThrow(TypeError);
    const [ours, theirs] = await texts();
    expect(ours).toBe(theirs);
  });
});

describe("counters", () => {
  const value = fc.constantFrom("message.send", "ok", 'a "quoted" \\ one', "");
  const counted = fc.tuple(fc.nat(5), value, value);

  it("are scraped as prom-client's own are, with the same labels and values", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(counted, { minLength: 1 })), async (scrapes) => {
        const [ours, theirs] = [new Registry(), new Registry()];
        const plain = plainCounter(ours, "a_total", "All.");
        const labelled = labelledCounter(ours, "b_total", "By type and outcome.", ["type", "outcome"]);
        const registers = [theirs];
        const plainOracle = new Counter({ name: "a_total", help: "All.", registers });
        const [name, help] = ["b_total", "By type and outcome."];
        const oracle = new Counter({ name, help, labelNames: ["type", "outcome"], registers });
        for (const counts of scrapes) {
          for (const [by, type, outcome] of counts) {
            plain(by);
            labelled(by, type, outcome);
            plainOracle.inc(by);
            oracle.inc({ type, outcome }, by);
          }
          // Ours are grouped by their first label.
          expect(await linesOf(ours)).toEqual(await linesOf(theirs));
        }
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});
