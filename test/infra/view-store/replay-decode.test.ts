import { readFileSync, readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent, UnreadableEvent } from "../../../src/domain/catalogue.js";
import type { RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { replayDecode } from "../../../src/infra/view-store/replay-decode.js";
import { logs } from "../../kit/arbitraries.js";
import { untilSeen, withSeed } from "../../kit/seed.js";

/** What a decoder makes of an event: the event, or what it says about it. */
const outcome = (decode: (recorded: RecordedEvent) => unknown, recorded: RecordedEvent): unknown => {
  try {
    return decode(recorded);
  } catch (error) {
    if (error instanceof UnreadableEvent) return error.message;
    throw error;
  }
};

describe("decoding for a replay", () => {
  it("makes the same of every event as decoding does", () => {
    fc.assert(
      fc.property(logs, (log) => {
        for (const recorded of log) expect(replayDecode(recorded)).toEqual(decodeEvent(recorded));
      }),
      withSeed({ numRuns: 30 }),
    );
  });

  it("makes the same of every form that was ever stored", () => {
    for (const directory of ["events", "metadata"].map((name) => new URL(`../../golden/${name}/`, import.meta.url)))
      for (const file of readdirSync(directory)) {
        const { stored } = JSON.parse(readFileSync(new URL(file, directory), "utf8")) as { stored: RecordedEvent };
        expect(replayDecode(stored)).toEqual(decodeEvent(stored));
      }
  });

  it("refuses the same damaged events for the same reasons", async () => {
    const seen = { refused: 0 };
    const damage = fc.record({
      log: logs,
      at: fc.nat(),
      part: fc.constantFrom("data" as const, "meta" as const),
      cut: fc.nat({ max: 60 }),
      put: fc.constantFrom("", '"', "1", "null", "x"),
    });
    await untilSeen(seen, 50, (runs) => {
      fc.assert(
        fc.property(damage, ({ log, at, part, cut, put }) => {
          const event = log[at % log.length];
          if (event === undefined) return;
          const damaged = { ...event, [part]: event[part].slice(0, cut) + put + event[part].slice(cut + 1) };
          const expected = outcome(decodeEvent, damaged);
          if (typeof expected === "string") seen.refused += 1;
          expect(outcome(replayDecode, damaged)).toEqual(expected);
        }),
        runs(300),
      );
    });
    const unknown = { id: "x", stream: "s", revision: 0, position: 1, type: "Nothing", data: "{}", meta: "{}" };
    expect(() => replayDecode(unknown)).toThrow("unknown type");
    for (const json of ["null", "[]", "7"])
      expect(() => replayDecode({ ...unknown, type: "MessageSent", data: json, meta: json })).toThrow(UnreadableEvent);
  });
});
