/** docs/PROTOCOL.md, the tables that gateway and client library share, and what the server is: all three say the same. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { advice, closeCodes, errorCodes } from "../../../client/contract/codes.js";
import { clientFrames, serverFrames, type ClientFrameType, type Presence } from "../../../client/contract/frames.js";
import { routes as allRoutes } from "../../../client/contract/routes.js";
import { createFrameDecoder } from "../../../src/gateway/protocol/frames.js";
import { notBuilt } from "../../../src/gateway/protocol/not-built.js";
import { routes } from "../../../src/gateway/rest/routes.js";
import * as document from "../../kit/protocol.js";

type Fields = Readonly<Record<string, Presence>>;
type Payloads = Readonly<Record<string, { readonly payload: Fields }>>;

/** As the document writes them: optional ones with `?`. */
const written = (fields: Fields): readonly string[] =>
  Object.entries(fields)
    // §1 says of all messages what they lose when they are gone.
    .filter(([, presence]) => presence !== "when_gone")
    .map(([name, presence]) => (presence === "maybe" ? `${name}?` : name))
    .toSorted();

describe("the tables have what PROTOCOL.md has, and nothing else:", () => {
  it("calls", () => {
    expect([...allRoutes].toSorted()).toEqual([...document.routes()].toSorted());
  });

  it("frames of clients, with their fields and answers", () => {
    const frames: Readonly<Record<string, { readonly payload: Fields; readonly answer: string | undefined }>> =
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
    const tables = Object.entries(errorCodes).map(([code, { status }]) => [code, status] as const);
    expect(new Map(tables)).toEqual(document.errorCodes());
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

/** All of src but the list itself. */
const source = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith("not-built.ts"))
  .map((path) => readFileSync(join("src", path), "utf8"))
  .join("\n");

/**
 * “Not built” is true of what stands in the list, and of nothing else. What the gateway says by itself is held to it by
 * the type `ServerFrame`, what projections say by `test/projections/frames/frames.test.ts`.
 */
describe("the list of what is not built", () => {
  it("names what the protocol has, each once", () => {
    const all = [...allRoutes, ...names(clientFrames), ...names(serverFrames), ...Object.keys(errorCodes)];
    expect(all).toEqual(expect.arrayContaining([...notBuilt]));
    expect(listed.size).toBe(notBuilt.length);
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
    expect(source.includes(`"${type}"`)).toBe(!isListed(type));
  });

  it.each(Object.keys(errorCodes))("has %s exactly if nothing in src answers with it", (code) => {
    expect(source.includes(`"${code}"`)).toBe(!isListed(code));
  });
});
