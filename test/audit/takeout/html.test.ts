import fc from "fast-check";
import { expect, it } from "vitest";
import { takeoutPage } from "../../../src/audit/takeout/pages.js";
import type { TakeoutRecord } from "../../../src/audit/takeout/conversation.js";
import { asPosition, asRevision } from "../../../src/domain/kernel/stream.js";

const place = { file: "g_1", page: 1, isLast: true };
const page = (said: string): string => {
  const record: TakeoutRecord = {
    position: asPosition(1),
    revision: asRevision(1),
    eventId: "e",
    at: 0,
    kind: "message",
    conversation: { id: "g_1", kind: "group", name: { text: said } },
    by: { kind: "user", userId: said, deviceId: "phone" },
    author: { userId: said, name: { text: said } },
    message: { messageId: "m", sequence: 1, content: { text: JSON.stringify({ type: "text", text: said }) } },
  };
  return takeoutPage(said, [record, { ...record, kind: "edit" }], "alice", place);
};
const tagsOf = (html: string): readonly string[] => html.match(/<[^>]*>/g) ?? [];

it("a page has the same elements whatever people wrote, and shows what would turn the writing around by its name", () => {
  const plain = tagsOf(page("plain"));
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.constantFrom(
      "<script>alert(1)</script>",
      `" onload="x`,
      "' onload='x",
      "</title><b>",
      "<!--",
      "&lt;",
      "\u202eevil",
    ),
  );
  fc.assert(
    fc.property(texts, (said) => {
      expect(tagsOf(page(said))).toEqual(plain);
      expect(page(said)).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  expect(page("\u202eevil")).toContain("\\u202eevil");
});
