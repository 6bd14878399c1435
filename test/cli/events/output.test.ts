import { describe, expect, test } from "vitest";
import { contextOf, summaryOf } from "../../../src/cli/events/output.js";
import { asPosition, firstRevision } from "../../../src/domain/kernel/stream.js";

const place = {
  position: asPosition(7),
  stream: "user-alice",
  revision: firstRevision,
  id: "e",
  type: "DeviceRemoved",
};

test.each([
  [{ userId: "alice", deviceId: "phone" }, "alice/phone"],
  [{ kind: "user", userId: "alice", deviceId: "phone" }, "alice/phone"],
  [{ kind: "bot", userId: "weather" }, "bot weather"],
  [{ kind: "app", keyId: "k-1" }, "app k-1"],
  [{ kind: "app", keyId: "k-1", onBehalfOf: "alice" }, "app k-1 for alice"],
  [{ kind: "system" }, "system"],
  [{ kind: "operator" }, "operator"],
  [{ kind: "operator", userId: "root" }, "operator root"],
  [{ kind: "ghost", userId: "alice", deviceId: "phone" }, "?"],
  [undefined, "?"],
])("an event by %j is shown as by %s", (by, name) => {
  const meta = { at: 0, by };
  expect(contextOf(meta)).toEqual({ at: "1970-01-01T00:00:00.000Z", by: name });
  expect(summaryOf({ ...place, data: {}, meta })).toContain(`  ${name}  `);
});

describe("a line shows what people wrote", () => {
  const sealed = { alg: "XC20P", keyId: "k", data: "c2VjcmV0", digest: "d" };
  const plain = { alg: "none", keyId: "", data: "secret" };
  const line = (data: object, more: object = {}) => {
    const shown = summaryOf({ ...place, data, meta: {}, ...more });
    return JSON.parse(shown.slice(shown.indexOf("{"))) as unknown;
  };
  const settings = { settings: 1 };

  test.each([
    [
      { content: plain, sequence: 1 },
      { content: "(not sealed, 6 characters)", sequence: 1 },
    ],
    [{ content: sealed }, { content: "(sealed, 8 characters)" }],
    [{ content: { text: "secret" } }, { content: "(not sealed, 17 characters)" }],
    [
      { emoji: "👍", sequence: 1 },
      { emoji: "(not sealed, 2 characters)", sequence: 1 },
    ],
    [
      { profile: { kind: "group", name: "secret" } },
      { name: "(not sealed, 6 characters)", profile: { kind: "group" } },
    ],
    [
      { changes: { name: sealed, description: plain, ...settings } },
      { name: "(sealed, 8 characters)", description: "(not sealed, 6 characters)", changes: settings },
    ],
    [{ changes: { displayName: "secret" } }, { displayName: "(not sealed, 6 characters)", changes: {} }],
    [{ changes: { displayName: null } }, { changes: { displayName: null } }],
  ])("by its length alone: %j", (data, shown) => {
    expect(line(data)).toEqual(shown);
    expect(JSON.stringify(line(data))).not.toMatch(/secret|c2VjcmV0/);
  });

  test("as it is where it was opened, whatever of it is damaged or without a key", () => {
    const changes = { name: sealed, description: sealed, displayName: sealed };
    expect(line({ changes }, { opened: { name: "hello", description: null }, damaged: "why" })).toEqual({
      ...{ name: "hello", description: "(its key is gone)", displayName: "(damaged: does not open)" },
      changes: {},
    });
    expect(line({ content: sealed }, { opened: { type: "text", text: "hi" } })).toEqual({
      content: { type: "text", text: "hi" },
    });
    expect(line({ content: sealed }, { opened: null })).toEqual({ content: "(its key is gone)" });
    expect(line({ content: sealed }, { damaged: "why" })).toEqual({ content: "(damaged: does not open)" });
  });
});
