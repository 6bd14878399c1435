/** The hand-written bytes are those of the generated code, and the generated code reads them back. */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { responseOf } from "../../bench/log/jspb-response.js";
import { asPosition, asRevision, firstRevision, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { createdTicks, eventResponse } from "../../src/eventstore-server/encode.js";
import { filterOf } from "../../src/eventstore-server/filter.js";
import { shared, streams, uuidOf } from "../../src/eventstore-server/proto.js";
import { withSeed } from "../kit/seed.js";

const { ReadResp, ReadReq } = streams;

const generated = (event: RecordedEvent): Buffer => Buffer.from(responseOf(event).serializeBinary());

// Lone surrogates are no text: they never come out of a file.
const text = (maxLength: number) => fc.string({ unit: "grapheme", maxLength });
const recordedEvent: fc.Arbitrary<RecordedEvent> = fc.record({
  id: fc.uuid(),
  stream: text(200),
  type: text(200),
  data: fc.oneof(text(300), fc.constantFrom("", "x".repeat(127), "x".repeat(128), "é".repeat(16_384))),
  meta: fc.oneof(
    text(300),
    fc.nat().map((at) => JSON.stringify({ at, by: { userId: "alice" } })),
  ),
  revision: fc.oneof(fc.nat(300), fc.maxSafeNat()).map(asRevision),
  position: fc
    .oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    .map(asPosition),
});

it("writes every event as the generated code does, byte for byte", () => {
  fc.assert(
    fc.property(recordedEvent, (recorded) => {
      const bytes = eventResponse(recorded);
      expect(bytes.equals(generated(recorded))).toBe(true);
      const read = ReadResp.deserializeBinary(bytes).getEvent()?.getEvent();
      expect(read?.getData_asU8().length).toBe(Buffer.byteLength(recorded.data));
      expect(read?.getStreamRevision()).toBe(String(recorded.revision));
    }),
    withSeed({ numRuns: 500 }),
  );
});

it("tells when an event was from its metadata, in ticks, and 0 when it does not say", () => {
  expect(createdTicks('{"at":1700000000123,"by":{}}')).toBe("17000000001230000");
  expect(createdTicks('{"by":{},"at":5}')).toBe("50000");
  expect(createdTicks('{"schema":1}')).toBe("0");
  expect(createdTicks("")).toBe("0");
});

it("reads ids that come as two signed halves", () => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      const hex = id.replaceAll("-", "");
      const half = (from: number) => String(BigInt.asIntN(64, BigInt(`0x${hex.slice(from, from + 16)}`)));
      const halves = new shared.UUID.Structured().setMostSignificantBits(half(0)).setLeastSignificantBits(half(16));
      expect(uuidOf(new shared.UUID().setStructured(halves))).toBe(id);
    }),
    withSeed({ numRuns: 200 }),
  );
});

const eventOf = (stream: string, type: string): RecordedEvent => ({
  id: randomUUID(),
  stream,
  type,
  data: "{}",
  meta: "{}",
  revision: firstRevision,
  position: asPosition(1),
});

it("filters a page as String.startsWith and RegExp.test do", () => {
  const key = fc.constantFrom<"stream" | "type">("stream", "type");
  const names = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "$", "-"), maxLength: 4 }), { maxLength: 30 });
  const expression = fc.oneof(
    fc.record({
      prefixes: fc.array(fc.string({ unit: fc.constantFrom("a", "b", "$"), minLength: 1, maxLength: 2 }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
    fc.record({ regex: fc.constantFrom("^[^$].*", "^a", "b$", "^(?!(\\$.+|a)$).*$") }),
  );
  fc.assert(
    fc.property(key, names, expression, (by, values, wanted) => {
      const message = new ReadReq.Options.FilterOptions.Expression();
      if ("regex" in wanted) message.setRegex(wanted.regex);
      else message.setPrefixList(wanted.prefixes);
      const options = new ReadReq.Options.FilterOptions();
      if (by === "stream") options.setStreamIdentifier(message);
      else options.setEventType(message);
      const page = values.map((value) => eventOf(by === "stream" ? value : "a", by === "type" ? value : "a"));
      const passes = (value: string): boolean =>
        "regex" in wanted
          ? new RegExp(wanted.regex).test(value)
          : wanted.prefixes.some((prefix) => value.startsWith(prefix));
      expect(filterOf(options).select(page)).toEqual(page.filter((event) => passes(event[by])));
    }),
    withSeed({ numRuns: 100 }),
  );
});
