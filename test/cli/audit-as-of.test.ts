import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice } from "../kit/wire.js";
import { jsonLines, run } from "./run.js";

const words = "for nobody's eyes";
let server: TestServer;
let conversation = "";
let message = "";
const parley = (...args: readonly string[]) => run([...args, "--data", server.dataDir]);

beforeAll(async () => {
  server = await startServer();
  const alice = await wireDevice(server, "alice");
  const bob = await wireDevice(server, "bob");
  const { body } = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  conversation = body.conversationId as string;
  const send = { conversationId: conversation, clientMessageId: "m1", content: text(words) };
  const { payload } = await alice.ask("message.send", send);
  message = (payload as { readonly messageId: string }).messageId;
  // The views have it: an inbox of after the acknowledgement waits for them.
  await bob.rest("GET /conversations");
});
afterAll(() => server.dispose());

describe("beside a running server", () => {
  it("a conversation of then is printed without its texts, and with them for a recorded reason", async () => {
    const shut = await parley("audit", "as-of", "now", "--conversation", conversation, "--json");
    expect([shut.code, shut.stderr]).toEqual([0, ""]);
    const kinds = jsonLines(shut).map((line) => Object.keys(line as object)[0]);
    expect(kinds).toEqual(["asOf", "conversation", "member", "member", "message"]);
    expect(shut.stdout).not.toContain(words);
    const asking = ["audit", "as-of", "now", "--conversation", conversation, "--open"];
    expect(await parley(...asking)).toMatchObject({ code: 2, stdout: "" });
    const opened = await parley(...asking, "--reason", "ticket 4711");
    expect([opened.code, opened.stdout]).toEqual([0, expect.stringContaining(words)]);
    const { stdout } = await parley("audit", "accesses", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ kind: "audit.as-of", scope: { conversation, moment: "now" } });
  });

  it("who could read a message is found by its id alone", async () => {
    const told = await parley("audit", "who-could-read", message, "--json");
    expect(told.code).toBe(0);
    expect(jsonLines(told)).toMatchObject([
      { message: { messageId: message, conversationId: conversation, senderId: "alice" }, keysThere: true },
      { reader: { userId: "alice", intervals: [{ because: "a member when it was sent" }] } },
      { reader: { userId: "bob", intervals: [{ because: "a member when it was sent" }] } },
    ]);
  });

  it("unread is explained by the event that makes it, and a user of another conversation is refused", async () => {
    const of = ["--user", "bob", "--conversation", conversation];
    const told = await parley("explain", "unread", ...of, "--json");
    expect([told.code, told.stderr]).toEqual([0, ""]);
    const lines = jsonLines(told);
    expect(lines[0]).toMatchObject({ explanation: { verdict: "same", shown: { unread: 1 }, fromLog: { unread: 1 } } });
    expect(lines.filter((line) => JSON.stringify(line).includes('"adds":1'))).toMatchObject([
      { event: { type: "MessageSent" } },
    ]);
    const without = await parley("explain", "delivery", ...of);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("--message ID")]);
    const delivery = await parley("explain", "delivery", ...of, "--message", message);
    expect([delivery.code, delivery.stdout]).toEqual([0, expect.stringContaining("device phone (web) is there")]);
    const nobody = await parley("explain", "unread", "--user", "zed", "--conversation", conversation);
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("Its members are alice, bob")]);
  });
});
