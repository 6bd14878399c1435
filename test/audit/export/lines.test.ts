import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineOf } from "../../../src/audit/canonical.js";
import { cloudEventOf, eventInCloudEvent } from "../../../src/audit/export/cloud-event.js";
import { eventIn } from "../../../src/audit/export/line.js";
import { asPosition, asRevision, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { withSeed } from "../../kit/seed.js";

const directory = new URL("../../golden/events/", import.meta.url);
const golden: readonly RecordedEvent[] = readdirSync(directory).map(
  (file) => (JSON.parse(readFileSync(new URL(file, directory), "utf8")) as { stored: RecordedEvent }).stored,
);

const text = fc.oneof(
  fc.json(),
  fc.json(),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    '{"a":"\\\\","metadata":{"b":["}",","]}}',
    '"x"',
    "x",
    "",
    "7",
    '{},"metadata":{}',
    '{ "a": 1e3 }',
    '{\n"a":1}',
  ),
);
const events: fc.Arbitrary<RecordedEvent> = fc.record({
  position: fc.nat().map((number) => asPosition(number + 1)),
  stream: fc.string({ unit: "binary", minLength: 1 }),
  revision: fc.nat().map(asRevision),
  type: fc.string(),
  id: fc.uuid(),
  data: text,
  meta: text,
});

describe("a line of an export", () => {
  it("gives back the event with its texts byte by byte, in both formats", () => {
    fc.assert(
      fc.property(events, fc.string({ minLength: 1 }), (event, cell) => {
        expect(eventIn(lineOf(event))).toEqual(event);
        const cloud = cloudEventOf(event, cell);
        expect(cloud).not.toMatch(/[\n\r]/);
        expect(eventInCloudEvent(cloud, cell)).toEqual(event);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it("is taken in no other characters than it was written in", () => {
    fc.assert(
      fc.property(
        events,
        fc.nat(),
        fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 1 }),
        (event, at, char) => {
          for (const [line, read] of [
            [lineOf(event), eventIn],
            [cloudEventOf(event, "main"), (changed: string) => eventInCloudEvent(changed, "main")],
          ] as const) {
            const place = at % line.length;
            const changed = line.slice(0, place) + char + line.slice(place + 1);
            const found = read(changed);
            if (changed !== line && found !== undefined) expect(found).not.toEqual(event);
            expect(read(`${line} `)).toBeUndefined();
          }
        },
      ),
      withSeed({ numRuns: 500 }),
    );
  });

  it("is a CloudEvent of version 1.0", () => {
    const event = golden.find(({ type }) => type === "MessageSent");
    if (event === undefined) throw new Error("there is no golden message");
    const { data, meta, position, stream, revision, id } = event;
    const cloud = JSON.parse(cloudEventOf(event, "a cell")) as Record<string, unknown>;
    expect(cloud).toEqual({
      ...{ specversion: "1.0", id, source: "/parley/a%20cell", type: "parley.MessageSent" },
      ...{
        subject: stream,
        partitionkey: stream,
        time: new Date((JSON.parse(meta) as { at: number }).at).toISOString(),
      },
      ...{ sequence: String(position).padStart(16, "0"), parleyrevision: String(revision), parleymetadata: meta },
      ...{ datacontenttype: "application/json", data: JSON.parse(data) as unknown },
    });
    // Names of attributes are of lower-case letters and digits, and no number has more than 32 bits.
    expect(Object.keys(cloud).every((name) => /^[a-z0-9]{1,20}$/.test(name))).toBe(true);
  });
});
