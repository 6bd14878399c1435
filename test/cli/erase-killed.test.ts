/** An erasure is killed as soon as its ledger has come so far: the next run ends it, and certifies all that it destroyed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openStoredKeys } from "../../src/operate/keys/open.js";
import { eventually } from "../kit/device.js";
import { startServer } from "../kit/server.js";
import { text, wireDevice } from "../kit/wire.js";
import { json, jsonLines, run } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "parley-erase-killed-"));
  const server = await startServer();
  const alice = await wireDevice(server, "alice");
  await alice.rest("PUT /me", { displayName: "Alexandra" });
  const { body } = await alice.rest("POST /groups", { name: "Tea", participantIds: ["bob"] });
  const conversationId = String(body.conversationId);
  await alice.ask("message.send", { conversationId, clientMessageId: "m1", content: text("Hello") });
  await server.terminate();
  cpSync(server.dataDir, join(root, "before"), { recursive: true });
  await server.dispose();
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const keysIn = async (dir: string): Promise<readonly string[]> => {
  const stored = await openStoredKeys({ profile: "embedded", dir }, "read");
  const ids: string[] = [];
  for await (const page of stored.pages())
    ids.push(...page.map(({ id }) => id).filter((id) => id.startsWith("alice/")));
  await stored.close();
  return ids.sort();
};

it.each(["begun", "destroying", "done"])("killed when its ledger says %s", async (line) => {
  const dir = join(root, line);
  cpSync(join(root, "before"), dir, { recursive: true });
  const theirs = await keysIn(dir);
  expect(theirs).toHaveLength(2);
  const erasing = ["user", "erase", "alice", "--reason", "asked", "--data", dir, "--json"];
  const ledger = join(dir, "erasures.ndjson");
  const child = spawn(process.execPath, [parley, ...erasing], { stdio: "ignore" });
  const ended = once(child, "exit");
  const hasCome = (): boolean => existsSync(ledger) && readFileSync(ledger, "utf8").includes(`{"${line}"`);
  await eventually(() => hasCome() || child.exitCode !== null, `the ledger says ${line}`);
  // It may be over already: what follows holds wherever it was ended.
  child.kill("SIGKILL");
  await ended;
  const again = await run(erasing);
  expect(again.code, again.stderr).toBe(0);
  const { certificate } = json(again) as { readonly certificate: { readonly statement: string } };
  const { keysDestroyed } = JSON.parse(certificate.statement) as { readonly keysDestroyed: readonly string[] };
  expect([...keysDestroyed].sort()).toEqual(theirs);
  expect(await keysIn(dir)).toEqual([]);
  const erased = await run(["events", "tail", "--type", "UserErased", "--data", dir, "--json"]);
  expect(jsonLines(erased)).toHaveLength(1);
});
