import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalIn, canonicalOf, isLeaf, lineOf, type CanonicalParts } from "../../src/audit/canonical.js";
import { asPosition, asRevision } from "../../src/domain/kernel/stream.js";
import { withSeed } from "../kit/seed.js";

const event: CanonicalParts = {
  stream: "conversation-g_1",
  revision: asRevision(3),
  type: "MessageSent",
  id: "11111111-1111-4111-8111-111111111111",
  data: '{"sequence":1,"text":"päö \\n"}',
  meta: '{"at":5}',
};

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.constantFrom('{"a":1}', '{\n"a":1}', '"x"', "x", "", '{},"metadata":{}', "{}\r"),
);
const parts: fc.Arbitrary<CanonicalParts> = fc.record({
  stream: fc.string({ minLength: 1 }),
  revision: fc.nat().map(asRevision),
  type: fc.string(),
  id: fc.uuid(),
  data: text,
  meta: text,
});

describe("the canonical form of an event", () => {
  it("holds the stored texts byte by byte, on one line", () => {
    expect(canonicalOf(event)).toBe(
      '{"stream":"conversation-g_1","revision":3,"type":"MessageSent","id":"11111111-1111-4111-8111-111111111111",' +
        '"data":{"sequence":1,"text":"päö \\n"},"metadata":{"at":5}}',
    );
  });

  it("is JSON on one line whatever the texts are, and no two events have the same", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const [one, other] = [canonicalOf(a), canonicalOf(b)];
        expect(one).not.toMatch(/[\n\r]/);
        expect(() => JSON.parse(one) as unknown).not.toThrow();
        const same = (Object.keys(a) as (keyof CanonicalParts)[]).every((name) => a[name] === b[name]);
        expect(one === other).toBe(same);
        const changed = { ...a, data: b.data, meta: b.meta };
        expect(canonicalOf(changed) === one).toBe(changed.data === a.data && changed.meta === a.meta);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it("is found in a line of an export, which has the position in front", () => {
    const line = lineOf({ ...event, position: asPosition(42) });
    expect(JSON.parse(line)).toMatchObject({ position: 42, stream: event.stream, metadata: { at: 5 } });
    expect(canonicalIn(line)).toBe(canonicalOf(event));
    expect(canonicalIn(canonicalOf(event))).toBeUndefined();
  });

  it("is hashed of all of Parley's streams but the log's own", () => {
    const leaves = ["conversation-d_x", "receipts-d_x", "user-u", "media-m", "parley-access", "parley-tree"];
    expect(leaves.every(isLeaf)).toBe(true);
    expect(["parley-log", "parley-logbook", "$settings", "orders-1"].some(isLeaf)).toBe(false);
  });
});
