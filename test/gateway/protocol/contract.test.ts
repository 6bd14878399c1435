/** docs/PROTOCOL.md, the tables that gateway and client library share, and what the server is: all three say the same. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { advice, closeCodes, errorCodes } from "../../../client/contract/codes.js";
import { clientFrames, serverFrames, type ClientFrameType, type Presence } from "../../../client/contract/frames.js";
import { routes as allRoutes } from "../../../client/contract/routes.js";
import { E } from "../../../src/domain/kernel/fp.js";
import type { Fields } from "../../../src/gateway/protocol/codecs.js";
import { contents } from "../../../src/gateway/protocol/content.js";
import { createFrameDecoder } from "../../../src/gateway/protocol/frames.js";
import { notBuilt } from "../../../src/gateway/protocol/not-built.js";
import { inboxQuery } from "../../../src/gateway/protocol/queries.js";
import { routes } from "../../../src/gateway/rest/routes.js";
import { problemsOf } from "../../kit/held-to-protocol.js";
import * as document from "../../kit/protocol.js";
import { textsSaid } from "../../kit/texts-said.js";

type Presences = Readonly<Record<string, Presence>>;
type Payloads = Readonly<Record<string, { readonly payload: Presences }>>;

/** As the document writes them: optional ones with `?`. */
const written = (fields: Presences): readonly string[] =>
  Object.entries(fields)
    // §1 says of all messages what they lose when they are gone.
    .filter(([, presence]) => presence !== "when_gone")
    .map(([name, presence]) => (presence === "maybe" ? `${name}?` : name))
    .toSorted();

describe("the tables have what PROTOCOL.md has, and nothing else:", () => {
  it("calls", () => {
    expect([...allRoutes].toSorted()).toEqual([...document.requests().keys()].toSorted());
  });

  it("frames of clients, with their fields and answers", () => {
    const frames: Readonly<Record<string, { readonly payload: Presences; readonly answer: string | undefined }>> =
      clientFrames;
    const tables = Object.entries(frames).map(
      ([type, { payload, answer }]) => [type, { fields: written(payload), answer: answer ?? "none" }] as const,
    );
    expect(new Map(tables)).toEqual(document.clientFrames());
  });

  it("frames of the server, with their fields", () => {
    const frames: Payloads = serverFrames;
    const tables = Object.entries(frames).map(([type, { payload }]) => [type, written(payload)] as const);
    expect(new Map(tables)).toEqual(document.serverFrames());
  });

  it("codes of errors with their status, and which of them ask to come back", () => {
    expect(new Map(Object.entries(errorCodes))).toEqual(document.errorCodes());
  });

  it("codes that close a connection, and what a client does then", () => {
    const tables = Object.values(closeCodes).map(({ code, then }) => [code, advice[then]] as const);
    expect(new Map(tables)).toEqual(document.closeCodes());
  });
});

const names = (list: Payloads): readonly string[] =>
  Object.entries(list).flatMap(([type, { payload }]) => [
    type,
    ...Object.keys(payload).map((name) => `${type} ${name}`),
  ]);
const listed: ReadonlySet<string> = new Set(notBuilt);
const isListed = (name: string): boolean => listed.has(name);

const decode = createFrameDecoder({ maxMessageBytes: 1024, maxFrameBytes: 65_536 });
const conversationId = "d_0";
const about = { conversationId, messageId: "00000000-0000-5000-8000-000000000000" };
const content = { type: "text", text: "hello" };
/** One that is taken, of each type that is built. */
const samples: Readonly<Partial<Record<ClientFrameType, object>>> = {
  "message.send": { conversationId, clientMessageId: "m-1", content },
  "message.edit": { ...about, content },
  "message.delete": about,
  "reaction.add": { ...about, emoji: "👍" },
  "reaction.remove": { ...about, emoji: "👍" },
  "message.delivered": { conversationId, upToSequence: 1 },
  "message.read": { conversationId, upToSequence: 1 },
  "typing.start": { conversationId },
  "typing.stop": { conversationId },
  sync: {},
  heartbeat: {},
  "auth.refresh": { token: "t" },
};
const refusedFields = (type: string, payload: object): readonly string[] => {
  const decoded = decode(JSON.stringify({ type, payload }));
  if (decoded.kind === "request") return [];
  return (decoded.failure.details ?? []).map(({ field, expected }) =>
    expected.includes("not supported yet") ? `not yet: ${field}` : field,
  );
};

/** Of the layers that a client hears: adapters and commands of the shell have codes of their own. */
const said = new Set(
  ["domain", "commands", "projections", "gateway"]
    .flatMap((layer) =>
      readdirSync(`src/${layer}`, { recursive: true, encoding: "utf8" }).map((path) => join(layer, path)),
    )
    .filter((path) => path.endsWith(".ts") && !path.endsWith("not-built.ts"))
    .flatMap((path) => textsSaid(readFileSync(join("src", path), "utf8"))),
);

/** Fields that something looks at, as the document writes them. */
const looked = (codec: Pick<Fields<never>, "fields"> | undefined): readonly string[] =>
  (codec?.fields ?? [])
    .filter((field) => !field.codec.name.includes("not supported yet"))
    .map(({ key, mandatory }) => (mandatory ? key : `${key}?`))
    .toSorted();
const bare = (field: string): string => field.replace("?", "");

/** As many as there are today. A change that builds one of them lowers this; none raises it. */
const listedMax = 32;

/**
 * “Not built” is true of what stands in the list, and of nothing else. What the gateway says by itself is held to it by
 * the type `ServerFrame`, what projections say by `test/projections/frames/frames.test.ts`.
 */
describe("the list of what is not built", () => {
  it("names what the protocol has, each once", () => {
    const inBodies = [...document.requests()].flatMap(([call, { body }]) =>
      body.map((field) => `${call} ${bare(field)}`),
    );
    const values = document.archivedValues().map((value) => `GET /conversations ?archived=${value}`);
    const types = [...document.contents().keys()].map((type) => `content ${type}`);
    const all = [...allRoutes, ...names(clientFrames), ...names(serverFrames), ...Object.keys(errorCodes)];
    expect([...all, ...inBodies, ...values, ...types]).toEqual(expect.arrayContaining([...notBuilt]));
    expect(listed.size).toBe(notBuilt.length);
  });

  it("only shrinks", () => {
    expect(notBuilt.length).toBeLessThanOrEqual(listedMax);
  });

  it.each(routes.map(({ method, path, query, body }) => [`${method} ${path}`, { query, body }] as const))(
    "has what %s may ask for, and nothing looks at",
    (call, { query, body }) => {
      const written = document.requests().get(call);
      expect(looked(body)).toEqual(written?.body.filter((field) => !isListed(`${call} ${bare(field)}`)));
      expect(looked(query).map(bare)).toEqual(written?.query);
    },
  );

  it("has the values of archived that the inbox refuses", () => {
    const taken = document.archivedValues().filter((archived) => E.isRight(inboxQuery.decode({ archived })));
    expect(taken).toEqual(
      document.archivedValues().filter((value) => !isListed(`GET /conversations ?archived=${value}`)),
    );
  });

  it("has the types of content that no message may have; the others have all their fields", () => {
    const taken = Object.entries(contents).map(([type, codec]) => [type, looked(codec)] as const);
    const written = [...document.contents()].filter(([type]) => !isListed(`content ${type}`));
    expect(new Map(taken)).toEqual(new Map(written));
  });

  it("has the calls that no route takes", () => {
    const taken = new Set(routes.map(({ method, path }) => `${method} ${path}`));
    expect(allRoutes.filter((route) => !taken.has(route))).toEqual(allRoutes.filter(isListed));
    expect(Array.from(taken)).toEqual(expect.not.arrayContaining([...notBuilt]));
    expect(taken.size).toBe(allRoutes.filter((route) => !isListed(route)).length);
  });

  it.each(Object.keys(clientFrames) as ClientFrameType[])("has %s exactly if no session takes it", (type) => {
    const refused = refusedFields(type, samples[type] ?? {});
    expect(refused).toEqual(isListed(type) ? ["type"] : []);
  });

  const fields = Object.entries(samples).flatMap(([type]) =>
    Object.keys(clientFrames[type as ClientFrameType].payload).map(
      (field) => [type as ClientFrameType, field] as const,
    ),
  );
  it.each(fields)("has %s %s exactly if nothing looks at it", (type, field) => {
    // No field is like this.
    const refused = refusedFields(type, { ...samples[type], [field]: { "\0": [] } });
    const looksAtIt = refused.some((named) => named === field || named.startsWith(`${field}.`));
    expect(looksAtIt).toBe(!isListed(`${type} ${field}`));
  });

  it.each(Object.keys(serverFrames))("has %s exactly if nothing in src says it", (type) => {
    expect(said.has(type)).toBe(!isListed(type));
  });

  it.each(Object.keys(errorCodes))("has %s exactly if nothing in src answers with it", (code) => {
    expect(said.has(code)).toBe(!isListed(code));
  });
});

describe("what is said in the source", () => {
  it("is what an expression may come to: no type, no comparison, no name of a field", () => {
    const source = `
      type Code = "A" | "B";
      const fixed: Record<"C", number> = { "D": 1 };
      if (code === "E" || "F" !== code) say("G");
      switch (code) { case "H": say({ code: late ? "I" : "J" }); }
      const text = \`"K"\`;
    `;
    expect(textsSaid(source)).toEqual(["G", "I", "J"]);
  });
});

describe("a frame of the server is held to the protocol:", () => {
  const ids = { messageId: "m", conversationId: "d", sequence: 1, pos: 2, senderId: "alice", timestamp: 3 };
  const text = { type: "text", text: "hello" };
  const sent = (more: object) => problemsOf({ type: "message.new", payload: { ...ids, ...more } });
  const edited = (more: object) =>
    problemsOf({
      type: "message.updated",
      payload: { conversationId: "d", messageId: "m", sequence: 1, pos: 2, timestamp: 3, editedAt: 3, ...more },
    });

  it("it has content, or says since when that is gone", () => {
    expect([sent({ content: text }), sent({ deletedAt: 4 })]).toEqual([[], []]);
    expect(sent({ content: text, deletedAt: 4 })).toEqual(["message.new has content and deletedAt"]);
    expect(sent({})).toEqual(["message.new has neither content nor deletedAt"]);
    expect([edited({ content: text }), edited({ deletedAt: 4 })]).toEqual([[], []]);
    expect(edited({ content: text, deletedAt: 4 })).toEqual(["message.updated has content and deletedAt"]);
  });

  it("mentions and forwarding come with content alone", () => {
    expect(sent({ content: text, mentions: ["bob"], forwarded: true })).toEqual([]);
    expect(sent({ deletedAt: 4, mentions: ["bob"] })).toEqual(["message.new has mentions without content"]);
    expect(sent({ deletedAt: 4, forwarded: true })).toEqual(["message.new has forwarded without content"]);
  });

  it("a change in a sync that the reader may not see has neither", () => {
    const synced = (change: object) => {
      const conversations = [{ changes: [{ type: "message.new", payload: { ...ids, ...change } }] }];
      const fields = { epoch: "e", reset: false, conversations, newConversations: [], left: [], serverTime: 1 };
      return problemsOf({ type: "sync.result", payload: fields });
    };
    expect(synced({})).toEqual([]);
    expect(synced({ content: text, deletedAt: 4 })).toEqual(["message.new has content and deletedAt"]);
  });
});
