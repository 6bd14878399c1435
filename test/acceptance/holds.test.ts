import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, jsonLines, run, type Ran } from "../cli/run.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

describe("holds of an embedded Parley", () => {
  let server: TestServer;
  let bob: WireDevice;
  let conversationId = "";
  beforeAll(async () => {
    server = await startServer();
    const alice = await wireDevice(server, "alice", "phone");
    bob = await wireDevice(server, "bob", "phone");
    const { body } = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
    conversationId = body.conversationId as string;
    const content = text("evidence");
    const answer = await alice.ask("message.send", { conversationId, clientMessageId: "m1", content });
    expect(answer.type).toBe("message.ack");
  });
  afterAll(() => server.dispose());
  const parley = (...args: readonly string[]): Promise<Ran> => run([...args, "--data", server.dataDir, "--json"]);
  const textOfM1 = async () => {
    const { body } = await bob.rest(`GET /conversations/${conversationId}/messages`);
    return (body.messages as { readonly content?: { readonly text: string } }[])[0]?.content?.text;
  };

  it("refuse an erasure, the server running or stopped, until they are released", async () => {
    const held = await parley("hold", "set", "--case", "17", "--conversation", conversationId, "--reason", "court");
    expect(held.code, held.stderr).toBe(0);
    expect(jsonLines(await parley("hold", "list"))).toMatchObject([{ active: true, set: { case: "17" } }]);
    for (const running of [true, false]) {
      if (!running) await server.kill();
      const erased = await parley("user", "erase", "alice", "--reason", "asked");
      expect(erased).toMatchObject({ code: 1, stdout: "" });
      expect(erased.stderr).toContain("alice is held by 17");
      const dry = await parley("user", "erase", "alice", "--dry-run");
      expect(dry.stderr).toContain("alice is held by 17");
    }
    await server.start();
    bob = await wireDevice(server, "bob", "phone");
    expect(await textOfM1()).toBe("evidence");
    expect((await parley("hold", "release", "--case", "17", "--reason", "settled")).code).toBe(0);
    expect(jsonLines(await parley("hold", "list"))).toEqual([]);
    expect(jsonLines(await parley("hold", "list", "--all"))).toMatchObject([
      { active: false, released: { reason: "settled", by: { kind: "operator" } } },
    ]);
    const erased = await parley("user", "erase", "alice", "--reason", "asked");
    expect(erased.code, erased.stderr).toBe(0);
    expect(json(erased)).toMatchObject({ user: "alice" });
    expect(await textOfM1()).toBeUndefined();
  });

  it("are refused where they would hold nothing, and say how to mend it", async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["set", "--case", "x", "--reason", "r"], 2, /--user ID or --conversation ID/],
      [["set", "--case", "x", "--user", "alise", "--reason", "r"], 1, /no user alise/],
      [["set", "--case", "x", "--user", "bob", "--reason", "r", "--until", "2020-01-01"], 2, /in the past/],
      [["set", "--case", "x", "--user", "bob"], 2, /--reason/],
      [["release", "--case", "x", "--reason", "r"], 1, /No hold of the case x/],
    ];
    for (const [args, code, says] of cases) {
      const ran = await parley("hold", ...args);
      expect(ran.code, args.join(" ")).toBe(code);
      expect(ran.stderr).toMatch(says);
    }
  });
});
