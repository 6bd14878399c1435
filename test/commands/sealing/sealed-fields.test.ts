import { expect, it } from "vitest";
import { sealedFieldsOf } from "../../../src/commands/sealing/sealed-fields.js";
import { unsealed } from "../../../src/domain/kernel/sealed.js";

const meta = JSON.stringify({ by: { kind: "user", userId: "alice", deviceId: "phone" } });
const fieldsOf = (stream: string, data: object) =>
  sealedFieldsOf({ stream, data: JSON.stringify(data), meta }).map(({ field, context }) => [field, context]);
const text = unsealed("x");

it("what is sealed in an event is found by its field, with the place that it was sealed as", () => {
  const named = { name: text, description: text };
  const both = [
    ["name", "g_1/name"],
    ["description", "g_1/description"],
  ];
  expect(fieldsOf("conversation-g_1", { messageId: "m", content: text })).toEqual([["content", "m"]]);
  expect(fieldsOf("conversation-g_1", { profile: named })).toEqual(both);
  expect(fieldsOf("conversation-g_1", { changes: named })).toEqual(both);
  expect(fieldsOf("user-a-b", { changes: { displayName: text } })).toEqual([["displayName", "a-b/displayName"]]);
  expect(fieldsOf("conversation-g_1", { messageId: "m", emoji: text })).toEqual([["emoji", "g_1/m/alice/emoji"]]);
});

it("what is not of that form is not sealed, and nothing fails for it", () => {
  for (const data of [{ profile: { name: "Friends" } }, { changes: null }, { content: text }, [], "text"])
    expect(fieldsOf("conversation-g_1", data as object)).toEqual([]);
  expect(sealedFieldsOf({ stream: "conversation-g_1", data: "{", meta: "{" })).toEqual([]);
  const withoutMeta = sealedFieldsOf({ stream: "user-a", data: '{"changes":{"displayName":null}}', meta: "" });
  expect(withoutMeta).toEqual([]);
});
