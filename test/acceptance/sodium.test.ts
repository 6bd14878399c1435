/** Sealing by either build of libsodium: what one server sealed is read by the next, whichever it has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnosis } from "../../src/operate/doctor/doctor.js";
import type { ShownEvent } from "../../src/operate/inspect/log.js";
import { json, jsonLines, run } from "../cli/run.js";
import { startServer, startServerOn, type TestServer } from "../kit/server.js";
import { text, wireDevice, type Payload } from "../kit/wire.js";

const wasm = { PARLEY_SODIUM: "wasm" };

describe.each([
  ["WASM, then natively", wasm, {}],
  ["natively, then by WASM", {}, wasm],
])("texts that are sealed by %s", (_, first, second) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer([], first);
  });
  afterAll(() => server.dispose());

  it("are read and opened by both, in one conversation", async () => {
    const [alice, bob] = [await wireDevice(server, "alice"), await wireDevice(server, "bob")];
    const group = { name: "Friends", participantIds: ["bob"] };
    const { conversationId } = (await alice.rest("POST /groups", group)).body;
    const say = async (device: typeof alice, to: typeof alice, key: string) => {
      await device.ask("message.send", { conversationId, clientMessageId: key, content: text(key) });
      const { payload } = await to.frame("message.new", { content: text(key) });
      return payload;
    };
    await say(alice, bob, "before");
    await server.terminate();

    const again = await startServerOn(server.dataDir, [], second);
    try {
      const [laterAlice, laterBob] = [await wireDevice(again, "alice"), await wireDevice(again, "bob")];
      await say(laterAlice, laterBob, "after");
      const { body } = await laterBob.rest(`GET /conversations/${String(conversationId)}/messages?after=0&limit=10`);
      expect((body.messages as Payload[]).map(({ content }) => content)).toEqual([text("before"), text("after")]);
      const named = await laterBob.rest(`GET /conversations/${String(conversationId)}`);
      expect(named.body.conversation).toMatchObject({ name: "Friends" });
    } finally {
      await again.terminate();
    }
  });

  it.each([wasm, {}])("are opened by operators' commands, which say by what: %o", async (environment) => {
    const data = ["--data", server.dataDir, "--json"];
    const shown = jsonLines(
      await run(["events", "tail", "--type", "MessageSent", "--open", "--reason", "test", ...data], environment),
    );
    expect((shown as ShownEvent[]).map(({ opened }) => opened)).toEqual([text("before"), text("after")]);
    const { checks } = json(await run(["doctor", ...data], environment)) as Diagnosis;
    const found = checks.filter(({ name }) => name === "sealing" || name === "keys");
    const isWasm = "PARLEY_SODIUM" in environment;
    const by = isWasm ? "libsodium-wrappers (WASM): PARLEY_SODIUM is wasm" : "sodium-native";
    expect(found).toMatchObject([
      { state: isWasm ? "warning" : "ok", says: `XChaCha20-Poly1305 by ${by}` },
      { state: "ok", says: expect.stringMatching(/(\d+) of \1 of the newest sealed texts open/) as string },
    ]);
  });
});
