import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asPosition, asRevision, streamOf, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { streamEvents, streamPages, streamPagesBackwards } from "../../../src/domain/kernel/stream-pages.js";
import { logOfEvents } from "../../kit/log-of-events.js";
import { withSeed } from "../../kit/seed.js";

const stream = streamOf.conversation("g_1");

/** Of two streams, as they are mixed in a log whose positions are not dense. */
const logArbitrary = fc.array(fc.record({ other: fc.boolean(), apart: fc.integer({ min: 1, max: 3 }) }), {
  maxLength: 40,
});
const eventsOf = (steps: readonly { readonly other: boolean; readonly apart: number }[]): readonly RecordedEvent[] => {
  const revisions = { here: 0, there: 0 };
  let position = 0;
  return steps.map(({ other, apart }) => {
    position += apart;
    const place = other
      ? { stream: streamOf.user("alice"), revision: asRevision(revisions.there++) }
      : { stream, revision: asRevision(revisions.here++) };
    return { ...place, position: asPosition(position), id: `e-${position}`, type: "Test", data: "{}", meta: "{}" };
  });
};
const revisionsOf = async (pages: AsyncIterable<readonly RecordedEvent[]>): Promise<readonly (readonly number[])[]> => {
  const read: number[][] = [];
  for await (const page of pages) read.push(page.map(({ revision }) => revision));
  return read;
};

describe("a stream that is read by pages", () => {
  const bound = fc.option(fc.integer({ min: 0, max: 45 }), { nil: undefined });

  it("is what lies within its bounds, once and in order, no more at once than was asked for, and no page empty", async () => {
    const property = fc.asyncProperty(
      logArbitrary,
      fc.record({ from: bound, to: bound, upTo: fc.option(fc.integer({ min: 0, max: 90 }), { nil: undefined }) }),
      fc.integer({ min: 1, max: 7 }),
      async (steps, { from, to, upTo }, pageEvents) => {
        const events = eventsOf(steps);
        const counts: number[] = [];
        const log = logOfEvents(events);
        const counting: Pick<typeof log, "readStream"> = {
          readStream: (name, first, count) => {
            counts.push(count);
            return log.readStream(name, first, count);
          },
        };
        const part = {
          ...(from === undefined ? {} : { from: asRevision(from) }),
          ...(to === undefined ? {} : { to: asRevision(to) }),
          ...(upTo === undefined ? {} : { upTo: asPosition(upTo) }),
          pageEvents,
        };
        const expected = events.filter(
          (event) =>
            event.stream === stream &&
            event.revision >= (from ?? 0) &&
            event.revision <= (to ?? Infinity) &&
            event.position <= (upTo ?? Infinity),
        );
        const pages = await revisionsOf(streamPages(counting, stream, part));
        expect(pages.flat()).toEqual(expected.map(({ revision }) => revision));
        expect(pages.every(({ length }) => length > 0 && length <= pageEvents)).toBe(true);
        expect(counts.every((count) => count > 0 && count <= pageEvents)).toBe(true);
        expect(counts.length).toBeLessThanOrEqual(Math.floor(expected.length / pageEvents) + 1);
        const one: RecordedEvent[] = [];
        for await (const event of streamEvents(log, stream, part)) one.push(event);
        expect(one).toEqual(expected);
      },
    );
    await fc.assert(property, withSeed({ numRuns: 200 }));
  });

  it("is, backwards, the whole of it from its end", async () => {
    const property = fc.asyncProperty(logArbitrary, fc.integer({ min: 1, max: 7 }), async (steps, pageEvents) => {
      const events = eventsOf(steps);
      let reads = 0;
      const log = logOfEvents(events);
      const bounded: Pick<typeof log, "readStream"> = {
        readStream: (...asked) =>
          (reads += 1) > events.length + 1
            ? Promise.reject(new Error("it begins at the end once more"))
            : log.readStream(...asked),
      };
      const pages = await revisionsOf(streamPagesBackwards(bounded, stream, pageEvents));
      const whole = events.filter((event) => event.stream === stream).map(({ revision }) => revision);
      expect(pages.flat()).toEqual(whole.toReversed());
      expect(pages.every(({ length }) => length > 0 && length <= pageEvents)).toBe(true);
    });
    await fc.assert(property, withSeed({ numRuns: 100 }));
  });
});
