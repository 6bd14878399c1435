import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { createFrameDecoder } from "../../src/gateway/protocol/frames.js";
import { closeCodes, errorCodes } from "../../src/gateway/protocol/codes.js";

const decode = createFrameDecoder({ maxMessageBytes: 16 * 1024, maxFrameBytes: 128 * 1024 });
const ids = { conversationId: "d_x", clientMessageId: "k" };
const text = (over: object) => ({
  type: "message.send",
  payload: { ...ids, content: { type: "text", text: "a" }, ...over },
});
const content = (over: unknown) => text({ content: over });
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const types = "one of message.send, message.delivered, message.read, sync, heartbeat, auth.refresh";
const reading = (payload: unknown) => ({ type: "message.read", payload });
const syncing = (payload: unknown) => ({ type: "sync", payload });
const meta4k = "an object of at most 4096 bytes of JSON and 256 levels";
const bytes16k = "an object of at most 16384 bytes of JSON";
const kinds = 'one of "text", "location", "encrypted"';
const at = (latitude: unknown, longitude: unknown) => content({ type: "location", latitude, longitude });

/** What is sent, its code, the fields named with what was expected of the first. */
const malformed: readonly [name: string, frame: unknown, code: string, fields: readonly string[], expected: string][] =
  [
    ["no JSON", "{", "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["nothing", "", "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["an array", "[]", "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["a string", '"heartbeat"', "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["null", "null", "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["100,000 open brackets", "[".repeat(100_000), "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["100,000 levels", `${"[".repeat(50_000)}${"]".repeat(50_000)}`, "INVALID_MESSAGE", ["frame"], "a JSON object"],
    ["no type", {}, "INVALID_MESSAGE", ["type"], types],
    ["a type that is no string", { type: 7 }, "INVALID_MESSAGE", ["type"], types],
    ["an unknown type", { type: "message.explode" }, "INVALID_MESSAGE", ["type"], types],
    ["a type not built yet", { type: "typing.start", payload: ids }, "INVALID_MESSAGE", ["type"], types],
    ["a type of every object", { type: "constructor" }, "INVALID_MESSAGE", ["type"], types],
    ["__proto__ as type", '{"type":"__proto__"}', "INVALID_MESSAGE", ["type"], types],
    ["an empty id", { type: "heartbeat", id: "" }, "INVALID_MESSAGE", ["id"], "1 to 64 characters, or no id"],
    ["a long id", { type: "heartbeat", id: "x".repeat(65) }, "INVALID_MESSAGE", ["id"], "1 to 64 characters, or no id"],
    ["a number as id", { type: "heartbeat", id: 1 }, "INVALID_MESSAGE", ["id"], "1 to 64 characters, or no id"],
    ["null as id", { type: "heartbeat", id: null }, "INVALID_MESSAGE", ["id"], "1 to 64 characters, or no id"],
    ["a payload that is no object", { type: "heartbeat", payload: 1 }, "INVALID_MESSAGE", ["payload"], "an object"],
    ["null as payload", { type: "heartbeat", payload: null }, "INVALID_MESSAGE", ["payload"], "an object"],
    ["a list as payload", { type: "sync", payload: [] }, "INVALID_MESSAGE", ["payload"], "an object"],
    ["idle as text", { type: "heartbeat", payload: { idle: "no" } }, "INVALID_MESSAGE", ["idle"], "true or false"],
    [
      "no payload to send",
      { type: "message.send" },
      "INVALID_MESSAGE",
      ["conversationId", "clientMessageId", "content"],
      "a conversation id",
    ],
    [
      "no conversation",
      text({ conversationId: undefined }),
      "INVALID_MESSAGE",
      ["conversationId"],
      "a conversation id",
    ],
    [
      "a number as conversation",
      text({ conversationId: 5 }),
      "INVALID_MESSAGE",
      ["conversationId"],
      "a conversation id",
    ],
    [
      "a long conversation id",
      text({ conversationId: "d".repeat(129) }),
      "INVALID_MESSAGE",
      ["conversationId"],
      "a conversation id",
    ],
    [
      "an empty key",
      text({ clientMessageId: "" }),
      "INVALID_MESSAGE",
      ["clientMessageId"],
      "1-64 printable ASCII characters",
    ],
    [
      "a key of 65",
      text({ clientMessageId: "k".repeat(65) }),
      "INVALID_MESSAGE",
      ["clientMessageId"],
      "1-64 printable ASCII characters",
    ],
    [
      "a key with a line break",
      text({ clientMessageId: "a\nb" }),
      "INVALID_MESSAGE",
      ["clientMessageId"],
      "1-64 printable ASCII characters",
    ],
    [
      "a key beyond ASCII",
      text({ clientMessageId: "é" }),
      "INVALID_MESSAGE",
      ["clientMessageId"],
      "1-64 printable ASCII characters",
    ],
    ["a reply to no UUID", text({ replyTo: "x" }), "INVALID_MESSAGE", ["replyTo"], "a message id (UUID)"],
    ["null as replyTo", text({ replyTo: null }), "INVALID_MESSAGE", ["replyTo"], "a message id (UUID)"],
    ["no content", content(undefined), "INVALID_MESSAGE", ["content"], bytes16k],
    ["text as content", content("hi"), "INVALID_MESSAGE", ["content"], bytes16k],
    ["content without type", content({ text: "hi" }), "INVALID_MESSAGE", ["content.type"], kinds],
    ["content of media", content({ type: "image", mediaId: "m_1" }), "INVALID_MESSAGE", ["content.type"], kinds],
    ["content of type toString", content({ type: "toString" }), "INVALID_MESSAGE", ["content.type"], kinds],
    ["no text", content({ type: "text" }), "INVALID_MESSAGE", ["content.text"], "text of at least 1 character"],
    [
      "empty text",
      content({ type: "text", text: "" }),
      "INVALID_MESSAGE",
      ["content.text"],
      "text of at least 1 character",
    ],
    [
      "a number as text",
      content({ type: "text", text: 1 }),
      "INVALID_MESSAGE",
      ["content.text"],
      "text of at least 1 character",
    ],
    [
      "half a pair",
      content({ type: "text", text: "a\ud83d" }),
      "INVALID_MESSAGE",
      ["content.text"],
      "text without lone surrogates",
    ],
    [
      "half a pair in metadata",
      content({ type: "text", text: "a", metadata: { x: ["\udc00"] } }),
      "INVALID_MESSAGE",
      ["content.metadata"],
      "text without lone surrogates",
    ],
    [
      "a list as metadata",
      content({ type: "text", text: "a", metadata: [] }),
      "INVALID_MESSAGE",
      ["content.metadata"],
      meta4k,
    ],
    [
      "null as metadata",
      content({ type: "text", text: "a", metadata: null }),
      "INVALID_MESSAGE",
      ["content.metadata"],
      meta4k,
    ],
    [
      "metadata of 5 KiB",
      content({ type: "text", text: "a", metadata: { x: "y".repeat(5000) } }),
      "TOO_LARGE",
      ["content.metadata"],
      meta4k,
    ],
    [
      "metadata of 4 KiB in UTF-8",
      content({ type: "text", text: "a", metadata: { x: "é".repeat(2045) } }),
      "TOO_LARGE",
      ["content.metadata"],
      meta4k,
    ],
    [
      "metadata 20,000 deep",
      JSON.stringify(content({ type: "text", text: "a", metadata: "M" })).replace('"M"', nested(20_000)),
      "INVALID_MESSAGE",
      ["content.metadata"],
      meta4k,
    ],
    [
      "a header 20,000 deep",
      JSON.stringify(content({ type: "encrypted", ciphertext: "AAAA", header: "M" })).replace('"M"', nested(20_000)),
      "INVALID_MESSAGE",
      ["content.header"],
      "JSON of at most 256 levels",
    ],
    [
      "text of 16 KiB and its braces",
      content({ type: "text", text: "x".repeat(16_384) }),
      "TOO_LARGE",
      ["content"],
      bytes16k,
    ],
    ["8,192 two-byte letters", content({ type: "text", text: "é".repeat(8192) }), "TOO_LARGE", ["content"], bytes16k],
    ["a place without latitude", at(undefined, 1), "INVALID_MESSAGE", ["content.latitude"], "a number from -90 to 90"],
    ["a place beyond the pole", at(90.0001, 1), "INVALID_MESSAGE", ["content.latitude"], "a number from -90 to 90"],
    [
      "a place as text",
      at("1", "2"),
      "INVALID_MESSAGE",
      ["content.latitude", "content.longitude"],
      "a number from -90 to 90",
    ],
    [
      "an infinite place",
      '{"type":"message.send","payload":{"conversationId":"d","clientMessageId":"k","content":{"type":"location","latitude":0,"longitude":1e999}}}',
      "INVALID_MESSAGE",
      ["content.longitude"],
      "a number from -180 to 180",
    ],
    [
      "a label that is no text",
      content({ type: "location", latitude: 1, longitude: 1, label: 1 }),
      "INVALID_MESSAGE",
      ["content.label"],
      "text",
    ],
    [
      "ciphertext of no base64",
      content({ type: "encrypted", ciphertext: "%%%" }),
      "INVALID_MESSAGE",
      ["content.ciphertext"],
      "base64",
    ],
    [
      "ciphertext cut short",
      content({ type: "encrypted", ciphertext: "AAAAA" }),
      "INVALID_MESSAGE",
      ["content.ciphertext"],
      "base64",
    ],
    [
      "an empty ciphertext",
      content({ type: "encrypted", ciphertext: "" }),
      "INVALID_MESSAGE",
      ["content.ciphertext"],
      "base64",
    ],
    ["a receipt of nothing", reading({}), "INVALID_MESSAGE", ["conversationId", "upToSequence"], "a conversation id"],
    [
      "a negative receipt",
      reading({ conversationId: "d", upToSequence: -1 }),
      "INVALID_MESSAGE",
      ["upToSequence"],
      "an integer of at least 0",
    ],
    [
      "half a receipt",
      reading({ conversationId: "d", upToSequence: 1.5 }),
      "INVALID_MESSAGE",
      ["upToSequence"],
      "an integer of at least 0",
    ],
    [
      "a receipt beyond all integers",
      reading({ conversationId: "d", upToSequence: 2 ** 53 }),
      "INVALID_MESSAGE",
      ["upToSequence"],
      "an integer of at least 0",
    ],
    [
      "a receipt as text",
      reading({ conversationId: "d", upToSequence: "3" }),
      "INVALID_MESSAGE",
      ["upToSequence"],
      "an integer of at least 0",
    ],
    ["cursors that are no list", reading({ cursors: {} }), "INVALID_MESSAGE", ["cursors"], "at most 100 cursors"],
    [
      "one bad cursor of two",
      reading({ cursors: [{ conversationId: "d", upToSequence: 1 }, { conversationId: "d" }] }),
      "INVALID_MESSAGE",
      ["cursors.1.upToSequence"],
      "an integer of at least 0",
    ],
    [
      "101 cursors",
      reading({ cursors: Array.from({ length: 101 }, () => ({ conversationId: "d", upToSequence: 1 })) }),
      "TOO_LARGE",
      ["cursors"],
      "at most 100 cursors",
    ],
    ["a sync limit of 0", syncing({ limit: 0 }), "INVALID_MESSAGE", ["limit"], "an integer from 1 to 1000"],
    ["a sync limit of 1001", syncing({ limit: 1001 }), "INVALID_MESSAGE", ["limit"], "an integer from 1 to 1000"],
    [
      "a sync cursor below -1",
      syncing({ cursors: { d_1: -2 } }),
      "INVALID_MESSAGE",
      ["cursors.d_1"],
      "an integer of at least -1",
    ],
    [
      "a sync cursor of __proto__",
      '{"type":"sync","payload":{"cursors":{"__proto__":"x"}}}',
      "INVALID_MESSAGE",
      ["cursors.__proto__"],
      "an integer of at least -1",
    ],
    [
      "1,001 sync cursors",
      syncing({ cursors: Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`d_${n}`, 1])) }),
      "TOO_LARGE",
      ["cursors"],
      "at most 1000 positions by conversation id",
    ],
    ["only as text", syncing({ only: "yes" }), "INVALID_MESSAGE", ["only"], "true or false"],
    ["a token that is no text", syncing({ token: {} }), "INVALID_MESSAGE", ["token"], "text"],
    ["a refresh without token", { type: "auth.refresh" }, "INVALID_MESSAGE", ["token"], "a token"],
  ];

/** Halves of pairs included. */
const utf16 = fc.uint16Array({ maxLength: 200 }).map((units) => String.fromCharCode(...units));

describe("a malformed frame", () => {
  it.each(malformed)("%s", (_name, frame, code, fields, expected) => {
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
      expiresIn: 5,
      senderId: "bob",
      replyTo: "00000000-0000-5000-8000-000000000000",
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
        },
      },
    });
  });

  it("gives text back as it came", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 500, unit: "grapheme" }), (any) => {
        expect(JSON.parse(contentOf(content({ type: "text", text: any })))).toEqual({ type: "text", text: any });
      }),
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
});
