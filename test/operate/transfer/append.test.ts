import fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalOf } from "../../../src/audit/canonical.js";
import { LogError, type EventLog } from "../../../src/commands/ports.js";
import { noPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { createPlacedAppender, type OrderedLog } from "../../../src/operate/transfer/append.js";
import { logs } from "../../kit/arbitraries.js";
import { openLogKit } from "../../kit/log.js";
import { withSeed } from "../../kit/seed.js";

/** What becomes of an append: it is stored, stored without an answer, or lost. */
type Fate = "answered" | "unanswered" | "lost";
const fates: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Fate>("answered") },
  fc.constantFrom<Fate>("unanswered", "lost"),
);

/** As EventStoreDB's call to a leader: in order, and over with the first append that fails. `keepsOrder`: whether it is. */
const failing = (log: Pick<EventLog, "append">, fate: () => Fate, keepsOrder = true): OrderedLog => ({
  open: () => {
    let failed = false;
    return {
      append: async (...asked) => {
        if (failed && keepsOrder) throw new LogError("UNAVAILABLE", "not sent");
        const becomes = fate();
        failed ||= becomes !== "answered";
        if (becomes === "lost") throw new LogError("OUTCOME_UNKNOWN", "lost");
        const answer = await log.append(...asked);
        if (becomes === "unanswered") throw new LogError("OUTCOME_UNKNOWN", "no answer");
        return answer;
      },
      close: () => undefined,
    };
  },
  atOnce: { events: 8, bytes: 1_000_000 },
  attemptsMax: 10,
});

const appended = async (ordered: OrderedLog, events: readonly RecordedEvent[]): Promise<void> => {
  const appender = createPlacedAppender(ordered);
  for (const event of events) await appender.add(event);
  await appender.finish();
};

it("events come to lie in their order, once each, whatever becomes of the appends", async () => {
  await fc.assert(
    fc.asyncProperty(logs, fc.array(fates, { maxLength: 40 }), async (events, becomes) => {
      const kit = await openLogKit();
      try {
        const next = [...becomes];
        await appended(
          failing(kit.log, () => next.shift() ?? "answered"),
          events,
        );
        const stored = await kit.log.readAll(noPosition, 100_000);
        expect(stored.map(canonicalOf)).toEqual(events.map(canonicalOf));
      } finally {
        await kit.dispose();
      }
    }),
    withSeed({ numRuns: 15 }),
  );
});

it("an order that the log did not keep is said, and what it refuses for good is not asked again", async () => {
  const kit = await openLogKit();
  const event = (stream: string, index: number): RecordedEvent => {
    const id = `00000000-0000-4000-8000-00000000000${index}`;
    return { id, stream, type: "T", data: "{}", meta: "{}", revision: 0 as never, position: index as never };
  };
  const events = ["user-a", "user-b", "user-c", "user-d"].map(event);
  try {
    const becomes: Fate[] = ["answered", "lost"];
    const loose = failing(kit.log, () => becomes.shift() ?? "answered", false);
    await expect(appended(loose, events)).rejects.toThrow("user-c@0 came to lie before what was given earlier");

    let asked = 0;
    const tooLarge = () => {
      asked += 1;
      return Promise.reject(new LogError("TOO_LARGE", "too large"));
    };
    const refusing = { ...loose, open: () => ({ append: tooLarge, close: () => undefined }) };
    await expect(appended(refusing, events.slice(0, 1))).rejects.toThrow("too large");
    expect(asked).toBe(1);
  } finally {
    await kit.dispose();
  }
});
