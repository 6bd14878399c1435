import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStoredKeys } from "../../src/operate/keys/open.js";
import type { Target } from "../../src/operate/target.js";
import { json, jsonLines, run, type Ran } from "../cli/run.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

const passphrase = { PARLEY_PASSPHRASE: "correct horse battery" };

describe("keys and what wraps them", () => {
  const work = mkdtempSync(join(tmpdir(), "parley-keys-"));
  const file = join(work, "keys.txt");
  let server: TestServer;
  let alice: WireDevice;
  let conversationId: unknown;
  beforeAll(async () => {
    server = await startServer();
    alice = await wireDevice(server, "alice", "phone");
    const { body } = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
    ({ conversationId } = body);
    await say("m1");
  });
  afterAll(async () => {
    await server.dispose();
    rmSync(work, { recursive: true });
  });
  const say = async (clientMessageId: string): Promise<void> => {
    const content = text(`text of ${clientMessageId}`);
    const answer = await alice.ask("message.send", { conversationId, clientMessageId, content });
    expect(answer.type).toBe("message.ack");
  };
  const parley = (args: readonly string[], env: NodeJS.ProcessEnv = {}, dir = server.dataDir): Promise<Ran> =>
    run([...args, "--data", dir, "--json"], env);
  const masterKey = (): string => readFileSync(join(server.dataDir, "master.key"), "utf8");
  const textsIn = async (): Promise<readonly unknown[]> => {
    const { body } = await alice.rest(`GET /conversations/${String(conversationId)}/messages`);
    return (body.messages as { readonly content: { readonly text: string } }[]).map(({ content }) => content.text);
  };
  const keysIn = async (dir: string) => {
    const target: Target = { profile: "embedded", dir };
    const stored = await openStoredKeys(target, "read");
    const all = new Map<string, string>();
    for await (const page of stored.pages()) for (const { id, key } of page) all.set(id, key.toString("hex"));
    await stored.close();
    return all;
  };

  it("get a new master key while the server runs, and after kill -9 the new one opens what was said", async () => {
    const before = masterKey();
    expect(statSync(join(server.dataDir, "master.key")).mode & 0o777).toBe(0o600);
    const ran = await parley(["keys", "rotate"]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(json(ran)).toMatchObject({ made: true });
    expect(masterKey()).not.toBe(before);
    expect(masterKey().trimEnd().split("\n")).toHaveLength(1);
    await say("m2");
    await server.kill();
    await server.start();
    alice = await wireDevice(server, "alice", "phone");
    expect(await textsIn()).toEqual(["text of m1", "text of m2"]);
    await server.kill();
    expect(json(await parley(["keys", "rotate"]))).toMatchObject({ made: true });
    await server.start();
    alice = await wireDevice(server, "alice", "phone");
    expect(await textsIn()).toEqual(["text of m1", "text of m2"]);
  });

  it("are not served without the master key, nor with another one, and it is not made anew", async () => {
    const copy = join(work, "copy");
    cpSync(server.dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    rmSync(join(copy, "master.key"));
    const missing = await run(["serve", "--data", copy, "--port", "0"]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(`${join(copy, "master.key")} is missing though`);
    writeFileSync(join(copy, "master.key"), `${Buffer.alloc(32, 1).toString("base64")}\n`);
    const other = await run(["serve", "--data", copy, "--port", "0"]);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("PARLEY_MASTER_KEY");
    const bad = await run(["serve", "--data", copy, "--port", "0"], { PARLEY_MASTER_KEY: "short" });
    expect(bad).toMatchObject({ code: 2 });
    expect(bad.stderr).not.toContain("short;");
  });

  it("leave in a file that a passphrase wraps, beside the running server, and the log knows of it", async () => {
    const ran = await parley(["keys", "export", "--output", file, "--reason", "move"], passphrase);
    expect(ran.code, ran.stderr).toBe(0);
    const keys = await keysIn(server.dataDir);
    // What tells incarnations is kept among the keys, and is counted as none.
    const data = [...keys.keys()].filter((id) => !id.startsWith("#"));
    expect(data.length).toBeGreaterThan(0);
    expect(json(ran)).toEqual({ file, keys: data.length });
    const bytes = readFileSync(file);
    for (const key of keys.values()) expect(bytes.includes(Buffer.from(key, "hex").toString("base64"))).toBe(false);
    const accesses = await run(["events", "tail", "--type", "AccessRecorded", "--data", server.dataDir, "--json"]);
    expect(jsonLines(accesses)).toMatchObject([{ data: { kind: "keys.export", reason: "move" } }]);
    expect((await parley(["keys", "export", "--output", file, "--reason", "again"], passphrase)).code).toBe(2);
  });

  it("are brought into another directory once, and nothing is of a damaged file or a wrong passphrase", async () => {
    const elsewhere = join(work, "elsewhere");
    const refused = async (name: string, bytes: Buffer, env = passphrase): Promise<void> => {
      const damaged = join(work, name);
      writeFileSync(damaged, bytes);
      const ran = await run(["keys", "import", damaged, "--data", elsewhere, "--json"], env);
      expect(ran.code, name).toBe(1);
      expect(ran.stderr, name).toContain(damaged);
      expect((await keysIn(elsewhere).catch(() => new Map())).size, name).toBe(0);
    };
    const bytes = readFileSync(file);
    await refused("flipped", Buffer.from(bytes.toString("latin1").replace('"wrapped":"', '"wrapped":"A'), "latin1"));
    await refused("cut", bytes.subarray(0, bytes.lastIndexOf("\n", bytes.length - 2) + 1));
    await refused("fewer", Buffer.from(bytes.toString().split("\n").toSpliced(1, 1).join("\n")));
    await refused("other", bytes, { PARLEY_PASSPHRASE: "another passphrase" });
    const first = json(await run(["keys", "import", file, "--data", elsewhere, "--json"], passphrase));
    expect(await keysIn(elsewhere)).toEqual(await keysIn(server.dataDir));
    const again = json(await run(["keys", "import", file, "--data", elsewhere, "--json"], passphrase));
    expect(again).toEqual({ added: 0, known: (first as { added: number }).added, erased: 0 });
    const running = await parley(["keys", "import", file], passphrase);
    expect(running).toMatchObject({ code: 1 });
    expect(running.stderr).toContain("Another Parley is using");
  });
});
