import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { E } from "../../../../src/domain/kernel/fp.js";
import {
  countThatFits,
  decodeRequest,
  encodeFrame,
  encodeGone,
  encodeRequest,
  requestOverheadBytes,
  type BusItem,
} from "../../../../src/infra/bus/nats/codec.js";
import { withSeed } from "../../../kit/seed.js";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const item: fc.Arbitrary<BusItem> = fc.oneof(
  fc.record(
    { kind: fc.constant("frame" as const), recipients: fc.array(text), exceptDeviceId: text, frame: fc.json() },
    { requiredKeys: ["kind", "recipients", "frame"] },
  ),
  fc.record({ kind: fc.constant("gone" as const), userId: text, deviceId: text }),
);
const request = fc.record({ sender: text, counter: fc.nat(), items: fc.array(item) });

const encode = (one: BusItem) =>
  one.kind === "gone"
    ? [encodeGone(one.userId, one.deviceId)]
    : encodeFrame(one, one.recipients, Number.POSITIVE_INFINITY);
const encoded = ({ sender, counter, items }: { sender: string; counter: number; items: readonly BusItem[] }) =>
  encodeRequest(sender, counter, items.flatMap(encode));

describe("requests on the wire", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(request, (given) => {
        expect(decodeRequest(encoded(given))).toEqual(E.right(given));
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it("are no longer than their items say", () => {
    fc.assert(
      fc.property(request, (given) => {
        const items = given.items.flatMap(encode);
        const bytes = items.reduce((sum, one) => sum + one.bytes, 0);
        expect(encoded(given).length).toBeLessThanOrEqual(bytes + requestOverheadBytes);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it("are refused when cut short or longer", () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.uint8Array({ minLength: 1 }), (given, cut, tail) => {
        const whole = encoded(given);
        expect(E.isLeft(decodeRequest(whole.subarray(0, cut % whole.length)))).toBe(true);
        expect(E.isLeft(decodeRequest(Buffer.concat([whole, tail])))).toBe(true);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it("never throw, whatever arrives", () => {
    const header = fc.oneof(
      fc.json(),
      fc.constant('{"s":"a","n":-1,"items":[]}'),
      fc.constant('{"s":"a","n":1,"items":[{"r":["u"],"b":1.5}]}'),
    );
    const framed = header.map((json) => {
      const bytes = Buffer.from(json);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), framed), (data) => {
        expect(E.isLeft(decodeRequest(data))).toBe(true);
      }),
      withSeed({ numRuns: 500 }),
    );
  });
});

describe("a frame for many", () => {
  it("is split by recipients, each once and in order", () => {
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 300 }),
        fc.json(),
        fc.nat(400),
        (recipients, frame, room) => {
          const bytesMax = Buffer.byteLength(frame) + 300 + room;
          const items = encodeFrame({ frame }, recipients, bytesMax);
          for (const one of items) expect(one.bytes).toBeLessThanOrEqual(bytesMax);
          const decoded = decodeRequest(encodeRequest("s", 1, items));
          if (E.isLeft(decoded)) throw new Error(decoded.left);
          const found = decoded.right.items.flatMap((one) => (one.kind === "frame" ? one.recipients : []));
          expect(found).toEqual(recipients);
        },
      ),
      withSeed({ numRuns: 200 }),
    );
  });

  it("stays alone when it is too large even for one", () => {
    const items = encodeFrame({ frame: "x".repeat(1_000) }, ["a", "b", "c"], 500);
    expect(items).toHaveLength(3);
  });
});

describe("what fits into one request", () => {
  it("is the longest run from the first that is within the bytes, and at least one", () => {
    const self = (bytes: number) => bytes;
    expect(countThatFits([], self, 10)).toBe(0);
    expect(countThatFits([4, 6, 1], self, 10)).toBe(2);
    expect(countThatFits([4, 5], self, 10)).toBe(2);
    expect(countThatFits([11, 1], self, 10)).toBe(1);
  });
});
