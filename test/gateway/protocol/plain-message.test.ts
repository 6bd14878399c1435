import fc from "fast-check";
import { expect, it } from "vitest";
import { createFrameDecoder } from "../../../src/gateway/protocol/frames.js";
import { encodeAcknowledgement, toAcknowledgement } from "../../../src/gateway/protocol/acknowledgement.js";
import { plainMessage } from "../../../src/gateway/protocol/plain-message.js";
import { asPosition, asRevision } from "../../../src/domain/kernel/stream.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";

/** So few that texts of all sides of the bound come. */
const maxMessageBytes = 120;
const decode = createFrameDecoder({ maxMessageBytes, maxFrameBytes: 64 * 1024 });

/** Halves of pairs, quotes, backslashes and controls included. */
const unit = fc.oneof(
  { weight: 8, arbitrary: fc.string({ minLength: 1, maxLength: 1 }) },
  fc.constantFrom('"', "\\", "\n", "\u0000", "\u2028", "\\ud800", "é", "😀"),
  fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)),
);
const anyText = fc.string({ unit, maxLength: 30 });
const anything = fc.oneof(anyText, fc.constantFrom(null, 0, true, [], {}, ""), fc.json().map(asJson));
function asJson(text: string): unknown {
  return JSON.parse(text) as unknown;
}

const good = fc.record({
  type: fc.constant("message.send"),
  id: fc.option(fc.string({ minLength: 1, maxLength: 64 }), { nil: undefined }),
  payload: fc.record({
    conversationId: fc.oneof(fc.constantFrom("d_1", 'g_"quoted"'), anyText),
    clientMessageId: fc.oneof(fc.constant("k-1"), anyText),
    content: fc.record({ type: fc.constant("text"), text: anyText }),
  }),
});

type Json = Record<string, unknown>;
/** Each puts something else in one place, or something more. */
const places: readonly ((frame: Json, value: unknown) => void)[] = [
  ...["type", "id", "payload", "more", "__proto__"].map((key) => (frame: Json, value: unknown) => {
    put(frame, key, value);
  }),
  ...["conversationId", "clientMessageId", "content", "replyTo", "mentions", "forwarded", "expiresIn", "more"].map(
    (key) => (frame: Json, value: unknown) => {
      put(frame.payload as Json, key, value);
    },
  ),
  ...["type", "text", "metadata", "more", "latitude"].map((key) => (frame: Json, value: unknown) => {
    put((frame.payload as Json).content as Json, key, value);
  }),
];
const put = (object: Json, key: string, value: unknown): void => {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
};
const frames = fc
  .tuple(good, fc.option(fc.tuple(fc.constantFrom(...places), anything), { nil: undefined }), fc.boolean())
  .map(([frame, change, isReversed]) => {
    const copy = JSON.parse(JSON.stringify(frame)) as Json;
    change?.[0](copy, change[1]);
    return isReversed ? Object.fromEntries(Object.entries(copy).toReversed()) : copy;
  });

it(`a plain message is taken as the codecs take it, and whatever they refuse is theirs (seed ${seed})`, async () => {
  const seen = { plain: 0, codecs: 0, refused: 0 };
  // A field that the codecs know and the plain way does not: what has it always goes through them.
  const throughCodecs = (frame: Json) => decode(JSON.stringify({ ...frame, payload: withMention(frame.payload) }));
  await untilSeen(seen, 20, (runs) => {
    fc.assert(
      fc.property(frames, (frame) => {
        const text = JSON.stringify(frame);
        const plain = plainMessage(JSON.parse(text) as Json, maxMessageBytes);
        const decoded = decode(text);
        if (plain === undefined) {
          seen[decoded.kind === "refused" ? "refused" : "codecs"] += 1;
          return;
        }
        seen.plain += 1;
        expect(decoded).toEqual(plain);
        expect(withoutMention(throughCodecs(frame))).toEqual(plain);
      }),
      runs(2_000),
    );
  });
});

const withMention = (payload: unknown): unknown => ({ ...(payload as Json), mentions: [] });
const withoutMention = (decoded: ReturnType<typeof decode>): unknown => {
  if (decoded.kind !== "request" || decoded.request.type !== "message.send") return decoded;
  const { mentions, ...message } = decoded.request.message;
  expect(mentions).toEqual([]);
  return { ...decoded, request: { ...decoded.request, message } };
};

it("the text of an acknowledgement is its frame's JSON", () => {
  const accepted = fc.record({
    clientMessageId: anyText,
    messageId: anyText,
    conversationId: anyText,
    sequence: fc.nat(),
    pos: fc.nat().map(asRevision),
    timestamp: fc.nat(),
    duplicate: fc.boolean(),
    position: fc.nat().map(asPosition),
  });
  fc.assert(
    fc.property(fc.option(anyText, { nil: undefined }), accepted, (id, message) => {
      const { type, payload } = toAcknowledgement(message);
      expect(encodeAcknowledgement(id, message)).toBe(JSON.stringify({ type, id, payload }));
    }),
    withSeed({ numRuns: 500 }),
  );
});
