import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { createFrameDecoder } from "../../../src/gateway/protocol/frames.js";
import { closeCodes, errorCodes, withRetryAfter } from "../../../src/gateway/protocol/codes.js";
import { content, ids, malformedFrames, messageId, nested, reading, text } from "../../kit/malformed.js";
import { withSeed } from "../../kit/seed.js";

const decode = createFrameDecoder({ maxMessageBytes: 16 * 1024, maxFrameBytes: 128 * 1024 });
/** Halves of pairs included. */
const utf16 = fc.uint16Array({ maxLength: 200 }).map((units) => String.fromCharCode(...units));

describe("a malformed frame", () => {
  it.each(malformedFrames)("%s", (_name, frame, code, fields, expected) => {
    const decoded = decode(typeof frame === "string" ? frame : JSON.stringify(frame));
    if (decoded.kind === "request") throw new Error(`taken: ${JSON.stringify(decoded.request)}`);
    expect(decoded.failure).toMatchObject({ code, details: fields.map((field) => ({ field })) });
    expect(decoded.failure.details?.[0]?.expected).toBe(expected);
    expect(decoded.failure.details).toHaveLength(fields.length);
  });

  it("names no more than 16 fields", () => {
    const decoded = decode(JSON.stringify(reading({ cursors: Array.from({ length: 100 }, () => ({})) })));
    expect(decoded).toMatchObject({ kind: "refused" });
    expect(decoded.kind === "refused" && decoded.failure.details).toHaveLength(16);
  });

  it("is answered under its id, with what ids were well formed", () => {
    expect(decode(JSON.stringify({ ...text({ content: 1 }), id: "r" })).address).toEqual({ id: "r", ...ids });
    expect(decode(JSON.stringify({ type: "x", id: "r", payload: { ...ids, clientMessageId: "é" } })).address).toEqual({
      id: "r",
      conversationId: "d_x",
    });
    expect(decode(JSON.stringify({ ...text({}), id: 5 })).address).toEqual(ids);
  });

  it("never throws, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          utf16,
          fc.json(),
          fc.json().map((json) => `{"type":"message.send","payload":${json}}`),
        ),
        (any) => {
          expect(["request", "refused"]).toContain(decode(any).kind);
        },
      ),
      withSeed({ numRuns: 100 }),
    );
  });
});

const contentOf = (frame: unknown): string => {
  const decoded = decode(typeof frame === "string" ? frame : JSON.stringify(frame));
  if (decoded.kind !== "request" || decoded.request.type !== "message.send")
    throw new Error(decoded.kind === "refused" ? decoded.failure.message : "not a message");
  return decoded.request.message.content;
};

describe("a good frame", () => {
  it("keeps what the protocol knows of it and nothing else", () => {
    const frame = text({
      content: { type: "text", text: "a", evil: 1, metadata: { kept: [1, { deep: null }] } },

      senderId: "bob",
      replyTo: "00000000-0000-5000-8000-000000000000",
      mentions: ["bob", "carol"],
      forwarded: true,
      origin: { source: "elsewhere", id: "1", at: 1 },
    });
    expect(decode(JSON.stringify({ ...frame, id: "r", more: 1 }))).toEqual({
      kind: "request",
      address: { id: "r", ...ids },
      request: {
        type: "message.send",
        message: {
          ...ids,
          contentType: "text",
          content: '{"type":"text","text":"a","metadata":{"kept":[1,{"deep":null}]}}',
          replyTo: "00000000-0000-5000-8000-000000000000",
          mentions: ["bob", "carol"],
          forwarded: true,
        },
      },
    });
  });

  it("gives text back as it came", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 500, unit: "grapheme" }), (any) => {
        expect(JSON.parse(contentOf(content({ type: "text", text: any })))).toEqual({ type: "text", text: any });
      }),
      withSeed({ numRuns: 100 }),
    );
    for (const tricky of ["\\ud83d", "\\\\ud800", "\u0000", "\u2028", "👩‍👩‍👧", "\ufeff", "\\"])
      expect(JSON.parse(contentOf(content({ type: "text", text: tricky })))).toEqual({ type: "text", text: tricky });
  });

  it("may be exactly as large as allowed", () => {
    const braces = Buffer.byteLength(JSON.stringify({ type: "text", text: "" }));
    const most = 16_384 - braces;
    expect(Buffer.byteLength(contentOf(content({ type: "text", text: "x".repeat(most) })))).toBe(16_384);
    expect(Buffer.byteLength(contentOf(content({ type: "text", text: "é".repeat(most / 2) })))).toBeLessThanOrEqual(
      16_384,
    );
    expect(() => contentOf(content({ type: "text", text: "x".repeat(most + 1) }))).toThrow();
  });

  it("of the other kinds", () => {
    const place = { type: "location", latitude: -90, longitude: 180, label: "pole" };
    const secret = { type: "encrypted", ciphertext: "AAA=", header: { v: 1 } };
    expect(JSON.parse(contentOf(content(place)))).toEqual(place);
    expect(JSON.parse(contentOf(content(secret)))).toEqual(secret);
  });

  it("cannot reach any prototype", () => {
    const json = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    const frame = JSON.stringify(content({ type: "text", text: "a", metadata: "M" })).replace('"M"', json);
    expect(contentOf(frame)).toContain(json);
    decode(`{"__proto__":{"polluted":1},"type":"sync","payload":{"__proto__":{"polluted":1,"limit":5}}}`);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const inherited = decode('{"type":"sync","payload":{"__proto__":{"limit":5}}}');
    expect(inherited).toMatchObject({ kind: "request", request: { type: "sync", body: {} } });
    expect(inherited.kind === "request" && inherited.request).toEqual({ type: "sync", body: {} });
    const cursors = decode('{"type":"sync","payload":{"cursors":{"__proto__":3,"constructor":4}}}');
    if (cursors.kind !== "request" || cursors.request.type !== "sync") throw new Error("refused");
    expect(Object.entries(cursors.request.body.cursors ?? {})).toEqual([
      ["__proto__", 3],
      ["constructor", 4],
    ]);
  });

  it("may be 256 levels deep, and is written again as it came", () => {
    const deep = nested(256);
    const frame = JSON.stringify(content({ type: "text", text: "a", metadata: "M" })).replace('"M"', deep);
    expect(contentOf(frame)).toContain(deep);
    expect(() => contentOf(frame.replace('"a":1', '"a":{}'))).toThrow("256 levels");
  });

  it("of every kind that changes a message is what its command wants", () => {
    const name = { conversationId: "d_x", messageId };
    const requestOf = (type: string, payload: object) => {
      const decoded = decode(JSON.stringify({ type, payload: { ...payload, senderId: "bob" } }));
      return decoded.kind === "request" ? decoded.request : decoded.failure;
    };
    const edited = { contentType: "text", content: '{"type":"text","text":"b"}' };
    expect(requestOf("message.edit", { ...name, content: { type: "text", text: "b", evil: 1 } })).toEqual({
      type: "message.edit",
      edit: { ...name, ...edited },
    });
    expect(requestOf("message.delete", name)).toEqual({ type: "message.delete", message: name });
    for (const type of ["reaction.add", "reaction.remove"])
      for (const emoji of [
        "👍",
        "👩‍👩‍👧",
        "❤",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🇫🇷",
        "☝🏽",
        "🏴󠁧󠁢󠁷󠁬󠁳󠁿",
        "🏳‍🌈",
        ":+1:",
        ":größer:",
        `:${"x".repeat(30)}:`,
      ])
        expect(requestOf(type, { ...name, emoji })).toEqual({ type, reaction: { ...name, emoji } });
    for (const type of ["typing.start", "typing.stop"])
      expect(requestOf(type, name)).toEqual({ type, conversationId: "d_x" });
  });

  it("needs no payload where nothing in it is required", () => {
    expect(decode('{"type":"heartbeat"}')).toMatchObject({ kind: "request" });
    expect(decode('{"type":"sync"}')).toMatchObject({ kind: "request", request: { body: {} } });
    expect(decode('{"type":"message.read","payload":{"cursors":[]}}')).toMatchObject({ request: { cursors: [] } });
  });
});

describe("the catalogue of codes", () => {
  it("has a status for every code and an own number for every close", () => {
    expect(Object.values(errorCodes).every(({ status }) => status >= 400 && status < 600)).toBe(true);
    const numbers = Object.values(closeCodes).map(({ code }) => code);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it("says when to come back exactly where the unchanged request may succeed later, so not for a last owner", () => {
    const codes = Object.keys(errorCodes) as (keyof typeof errorCodes)[];
    const saying = codes.filter((code) => withRetryAfter({ code, message: "no" }).retryAfter !== undefined);
    expect(saying).toEqual(["RATE_LIMITED", "UNAVAILABLE"]);
    expect(withRetryAfter({ code: "RATE_LIMITED", message: "no", retryAfter: 7 }).retryAfter).toBe(7);
  });
});
