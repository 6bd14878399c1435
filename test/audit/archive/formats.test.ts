import { create } from "xmlbuilder2";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { archiveMails, archiveText } from "../../../src/audit/archive/formats.js";
import { conversationDays } from "../../../src/audit/archive/parts.js";
import type { ArchiveItem, ArchiveRecord, Person } from "../../../src/audit/archive/record.js";
import { addressOf } from "../../../src/audit/archive/addresses.js";
import { asPosition, asRevision } from "../../../src/domain/kernel/stream.js";

const alice: Person = { userId: "alice", name: { text: "Alice" } };
const day = 86_400_000;

const saying = (position: number, said: string, more: Partial<ArchiveRecord> = {}): ArchiveRecord => ({
  position: asPosition(position),
  revision: asRevision(position),
  eventId: `e-${position}`,
  at: day,
  kind: "message",
  conversation: { id: "g_1", kind: "group", name: { text: said } },
  by: { kind: "user", userId: "alice", deviceId: "phone" },
  author: { userId: "alice", name: { text: said } },
  message: {
    messageId: `m-${position}`,
    sequence: position,
    contentType: "text",
    content: { text: JSON.stringify({ type: "text", text: said }) },
  },
  visibleTo: [alice, { userId: "bob", name: { text: said } }],
  ...more,
});
async function* itemsOf(...records: readonly ArchiveRecord[]): AsyncGenerator<ArchiveItem> {
  yield { begins: { id: "g_1", kind: "group" }, present: [alice] };
  for (const record of records) yield await Promise.resolve({ record });
}
const whole = async (chunks: AsyncIterable<string>): Promise<string> => {
  let all = "";
  for await (const chunk of chunks) all += chunk;
  return all;
};

const listed = async <A>(all: AsyncIterable<A>): Promise<readonly A[]> => {
  const list: A[] = [];
  for await (const each of all) list.push(each);
  return list;
};

/** RFC 4180. */
const csvRows = (csv: string): readonly (readonly string[])[] => {
  const rows: string[][] = [[]];
  for (const [, quoted, plain = "", end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === "\r\n") rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
};
/** All that a text can be, ends of lines and what steers terminals and spreadsheets included. */
const texts = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
  fc.constantFrom(
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r\n.\r\n",
    "a\r\nBcc: eve@example.org",
    '"; <b>&]]>',
    "\u0000\u0007",
  ),
);

describe("an archive", () => {
  it("in CSV has every text in its cell, and none that a spreadsheet would compute", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (said) => {
        const [head = [], row = []] = csvRows(await whole(archiveText("csv", itemsOf(saying(1, said)), "x.org")));
        expect(row).toHaveLength(head.length);
        const cell = (name: string) => row[head.indexOf(name)] ?? "";
        for (const name of ["text", "author_name", "conversation_name"])
          expect([said, `'${said}`, ...(said.trim() === "" ? ["alice"] : [])]).toContain(cell(name));
        expect(JSON.parse(cell("content_json"))).toEqual({ type: "text", text: said });
        for (const each of row) expect(each).not.toMatch(/^[=+\-@\t\r]/);
      }),
    );
  });

  it("in XML is well formed and has every text that XML has letters for", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (said) => {
        const xml = await whole(
          archiveText("actiance", itemsOf(saying(1, said), saying(2, said, { kind: "deletion" })), "x.org"),
        );
        const textsOf = (name: string) =>
          create(xml)
            .root()
            .filter(({ node }) => node.nodeName === name, false, true)
            .map(({ node }) => node.textContent);
        expect(textsOf("LoginName").slice(0, 1)).toEqual(["alice@x.org"]);
        expect([textsOf("UpdatedType"), textsOf("OriginalMessageId")]).toEqual([["Deleted"], ["m-2"]]);
        const kept = said
          .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
          .replace(/\r\n?/g, "\n");
        if (kept.trim() !== "") expect(textsOf("Content")[0]).toBe(kept);
      }),
    );
  });

  it("in mails has one for each conversation and day, whose headers no text can add to and whose lines none can forge", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (said) => {
        const [mail, next] = await listed(
          archiveMails(itemsOf(saying(1, said), saying(2, said), saying(3, said, { at: 2 * day })), "x.org"),
        );
        expect([mail?.name, next?.name]).toEqual(["1970-01-02/g_1.1.eml", "1970-01-03/g_1.3.eml"]);
        const [head = "", body = ""] = mail?.bytes.toString().split("\r\n\r\n") ?? [];
        const names = head.split(/\r\n(?![ \t])/).map((line) => line.slice(0, line.indexOf(":")));
        expect(new Set(names)).toEqual(
          new Set([
            ...[
              "From",
              "To",
              "Subject",
              "Date",
              "Message-ID",
              "MIME-Version",
              "Content-Type",
              "Content-Transfer-Encoding",
            ],
            ...[
              "Auto-Submitted",
              "X-GlobalRelay-MsgType",
              "X-Parley-ConversationId",
              "X-Parley-ConversationType",
              "X-Parley-Positions",
            ],
          ]),
        );
        const lines = Buffer.from(body, "base64")
          .toString()
          .split(/\r\n|[\n\r\u2028\u2029\u0085]/);
        expect(lines.filter((line) => line.startsWith("[1970-01-02T00:00:00.000Z "))).toHaveLength(2);
        for (const line of lines.slice(5)) expect(line).toMatch(/^$|^\[1970|^ {4}/);
      }),
    );
  });

  it("in XML has no two messages of one id, though several join by one event", async () => {
    const joins = ["bob", "carol"].map((userId) =>
      saying(1, "x", { kind: "joined", subject: { userId }, eventId: "e", message: undefined } as never),
    );
    const xml = await whole(archiveText("actiance", itemsOf(...joins), "x.org"));
    expect(xml.match(/<MessageId>.*<\/MessageId>/g)).toEqual([
      "<MessageId>e/bob</MessageId>",
      "<MessageId>e/carol</MessageId>",
    ]);
  });

  it("says erased and damaged where a text does not open", async () => {
    const gone = saying(1, "x", { author: { userId: "alice", name: { erased: true } } });
    const spoilt = saying(2, "x", { message: { messageId: "m", sequence: 2, content: { damaged: "does not open" } } });
    const [head = [], ...rows] = csvRows(await whole(archiveText("csv", itemsOf(gone, spoilt), "x.org")));
    const cells = (name: string) => rows.map((row) => row[head.indexOf(name)]);
    expect(cells("author_name")).toEqual(["(erased)", "x"]);
    expect(cells("state")).toEqual(["erased", "damaged: does not open"]);
    expect(cells("text")).toEqual(["x", "(damaged: does not open)"]);
  });

  it("of a day with more records than a part holds has several, each with those who were there", async () => {
    const joins = saying(2, "x", {
      kind: "joined",
      subject: { userId: "carol" },
      message: undefined,
      visibleTo: undefined,
    } as never);
    const parts = await listed(conversationDays(itemsOf(saying(1, "x"), joins, saying(3, "x")), 2));
    expect(
      parts.map(({ records, present, presentAtEnd }) => [records.length, present.length, presentAtEnd.length]),
    ).toEqual([
      [2, 1, 2],
      [1, 2, 2],
    ]);
  });
});

it("an id that is an address stands for itself, any other has a domain, and different ids have different addresses", () => {
  expect(addressOf("bob@example.org", "x.org")).toBe("bob@example.org");
  expect(addressOf("alice", "x.org")).toBe("alice@x.org");
  const ids = fc.stringMatching(/^[A-Za-z0-9_.:@+|-]{1,12}$/);
  fc.assert(
    fc.property(ids, ids, (a, b) => {
      fc.pre(a !== b && !a.endsWith("@x.org") && !b.endsWith("@x.org"));
      expect(addressOf(a, "x.org")).not.toBe(addressOf(b, "x.org"));
    }),
  );
});
