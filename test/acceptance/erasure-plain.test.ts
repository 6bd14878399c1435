/** What was written with sealing off stands in the log for ever: whoever answers readers treats its author as erased. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, jsonLines, run, type Ran } from "../cli/run.js";
import { startServer, type TestServer } from "../kit/server.js";
import { eventually } from "../kit/device.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

const secret = "the walrus keeps its oysters";
const name = "Alexandra Quetzalcoatl";

describe("a user who wrote in plain text and is erased", () => {
  const work = mkdtempSync(join(tmpdir(), "parley-erase-plain-"));
  let server: TestServer;
  let bob: WireDevice;
  let conversationId = "";
  let messageId = "";
  const witness = join(work, "heads.ndjson");

  const parley = (...args: readonly string[]): Promise<Ran> => run([...args, "--data", server.dataDir, "--json"]);
  const done = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await parley(...args);
    expect(ran.code, `${args.join(" ")}: ${ran.stderr}`).toBe(0);
    return ran;
  };
  const eventsOf = async (type: string) =>
    jsonLines(await done("events", "tail", "--type", type)) as readonly { readonly position: number }[];
  const messages = async () => {
    const { body } = await bob.rest(`GET /conversations/${conversationId}/messages`);
    return body.messages as readonly Readonly<Record<string, unknown>>[];
  };

  beforeAll(async () => {
    server = await startServer([], {
      PARLEY_SEAL: "off",
      PARLEY_TREE_HEAD_SECONDS: "1",
      PARLEY_TREE_WITNESS_FILE: witness,
    });
    const alice = await wireDevice(server, "alice");
    bob = await wireDevice(server, "bob");
    await alice.rest("PUT /me", { displayName: name });
    const { body } = await alice.rest("POST /groups", { name: "Walrus friends", participantIds: ["bob"] });
    conversationId = String(body.conversationId);
    const sent = await alice.ask("message.send", { conversationId, clientMessageId: "m1", content: text(secret) });
    messageId = String(sent.payload.messageId);
    const answer = { conversationId, clientMessageId: "b1", content: text("so they say"), replyTo: messageId };
    const { payload: theirs } = await bob.ask("message.send", answer);
    await alice.ask("reaction.add", { conversationId, messageId: theirs.messageId, emoji: "🦭" });
    expect((await messages())[0]).toMatchObject({ content: text(secret) });
    // A head from before the erasure, kept outside.
    await eventually(() => existsSync(witness), "a head is signed");
    const ran = await parley("user", "erase", "alice", "--reason", "asked");
    expect([ran.code, json(ran)]).toMatchObject([1, { plain: { content: 1, displayName: 1, emoji: 1 } }]);
  });
  afterAll(async () => {
    await server.dispose();
    rmSync(work, { recursive: true });
  });

  it("is given to nobody: not in history, nor by sync, nor as a preview", async () => {
    // The views are told a moment later.
    await expect.poll(async () => (await messages())[0]).not.toHaveProperty("content");
    const [first, second] = await messages();
    expect(first).toMatchObject({ senderId: "alice", deletedAt: expect.any(Number) as number });
    expect(second).toMatchObject({ content: text("so they say") });
    expect(second).not.toHaveProperty("reactions");
    const { payload } = await bob.ask("sync", { cursors: { [conversationId]: -1 }, only: true });
    expect(JSON.stringify(payload)).not.toMatch(/walrus keeps|🦭/);
    expect(JSON.stringify(payload)).toContain("so they say");
  });

  it("is closed to operators with a reason as well, also as of a moment before", async () => {
    const asOf = await done("audit", "as-of", "now", "--conversation", conversationId, "--open", "--reason", "case");
    expect(asOf.stdout).toContain("so they say");
    expect(asOf.stdout).not.toMatch(/walrus keeps|🦭/);
    const [first] = jsonLines(asOf).filter((line) => "message" in (line as object));
    expect(first).toMatchObject({ message: { senderId: "alice", content: { text: null } } });
    const [sent] = await eventsOf("MessageSent");
    const then = String(sent?.position);
    const past = await done("audit", "as-of", then, "--conversation", conversationId, "--open", "--reason", "case");
    expect(past.stdout).not.toContain("walrus keeps");
    const user = await done("audit", "as-of", then, "--user", "alice", "--open", "--reason", "case");
    expect(user.stdout).not.toContain("Alexandra");
  });

  it("could be read until the erasure, which ends everybody's reading and their own", async () => {
    const lines = jsonLines(await done("audit", "who-could-read", messageId));
    const [erasure] = await eventsOf("UserErased");
    const until = { position: erasure?.position, stream: "user-alice" };
    expect(lines[0]).toMatchObject({ message: { senderId: "alice", erased: until } });
    expect(lines.slice(1)).toMatchObject([
      { reader: { userId: "alice", intervals: [{ until }] } },
      { reader: { userId: "bob", intervals: [{ until, ended: "author erased" }] } },
    ]);
    const [, theirs] = await messages();
    const ofBobs = jsonLines(await done("audit", "who-could-read", String(theirs?.messageId)));
    expect(ofBobs.slice(1)).toMatchObject([
      { reader: { userId: "alice", intervals: [{ until, ended: "reader erased" }] } },
      { reader: { userId: "bob", intervals: [{ because: "a member when it was sent" }] } },
    ]);
    expect(JSON.stringify(ofBobs[2])).not.toContain("until");
  });

  it("has no takeout any more, which says when they were erased", async () => {
    const ran = await parley("user", "takeout", "alice", "--reason", "r", "--output", join(work, "alice.zip"));
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/alice was erased at 20\d\d-.*\(position \d+\)/);
    await done("user", "takeout", "bob", "--include", "visible", "--reason", "r", "--output", join(work, "bob.zip"));
  });

  it("is erased in archives, and what was proved of the log before is as good as it was", async () => {
    for (const format of ["json", "csv", "actiance"]) {
      const file = join(work, `archive.${format}`);
      await done("audit", "export", "--format", format, "--reason", "r", "--from", "0", "--output", file);
      const archive = readFileSync(file, "utf8");
      expect(archive, format).not.toMatch(/walrus keeps|Alexandra|🦭/);
      expect(archive, format).toContain("so they say");
      expect(archive.toLowerCase(), format).toContain("erased");
    }
    expect(json(await done("audit", "verify", "--witness", witness))).toMatchObject({
      heads: expect.anything() as unknown,
    });
  });
});
