/** Commands that copy a log are killed in the middle: nothing that looks whole is left, and the same command goes on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openEpoch } from "../../src/commands/epoch.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { eventually } from "../kit/device.js";
import { writeLongConversation } from "../kit/log.js";
import { testMasterKeys } from "../kit/master-key.js";
import { json, run } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
const events = 40_000;
let root: string;
const at = (name: string): string => join(root, name);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "parley-killed-"));
  const { release } = (await import("../../src/profiles/data-directory.js")).lockDirectory(at("data"));
  const log = await openSqliteLog(join(at("data"), "log.db"));
  const keys = await openSqliteKeyStore(join(at("data"), "keys.db"), testMasterKeys);
  await keys.obtain("alice/profile/x");
  await openEpoch(log, "main", Date.now, { uuid: () => crypto.randomUUID() });
  await writeLongConversation(log, "g_1", events);
  await log.close();
  await keys.close();
  release();
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** kill -9 as soon as it has come so far. */
const killWhen = async (args: readonly string[], hasComeSoFar: () => boolean): Promise<void> => {
  const child = spawn(process.execPath, [parley, ...args], { stdio: "ignore" });
  const ended = once(child, "exit");
  await eventually(() => hasComeSoFar() || child.exitCode !== null, `${args.join(" ")} has begun`);
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
};
const done = async (args: readonly string[]): Promise<Record<string, unknown>> => {
  const ran = await run([...args, "--json"]);
  expect([ran.stderr, ran.code]).toEqual(["", 0]);
  return json(ran) as Record<string, unknown>;
};
const refused = async (args: readonly string[]): Promise<string> => {
  const ran = await run(args);
  expect(ran.code).toBe(1);
  return ran.stderr;
};

it("an export, and an import of it", async () => {
  const file = at("log.ndjson.gz");
  const exporting = ["events", "export", "--data", at("data"), "--output", file];
  const state = (): number =>
    existsSync(`${file}.state`) ? readFileSync(`${file}.state`, "utf8").split("\n").length : 0;
  await killWhen(exporting, () => state() > 3);
  expect(await refused(["events", "verify", file])).toContain("copy both");
  const exported = await done(exporting);
  expect(exported).toMatchObject({ events: events + 2 });
  expect(exported.resumed).toBeGreaterThan(0);
  const other = await done(["events", "export", "--data", at("data"), "--output", at("other")]);
  expect(other.sha256).toBe(exported.sha256);

  const importing = ["events", "import", file, "--data", at("imported")];
  const walOf = (dir: string) => join(at(dir), "log.db-wal");
  await killWhen(importing, () => existsSync(walOf("imported")) && readFileSync(walOf("imported")).length > 1_000_000);
  expect(await refused(["serve", "--port", "0", "--data", at("imported")])).toContain("has not ended");
  const imported = await done(importing);
  expect(imported).toMatchObject({ events: events + 2, sha256: exported.sha256 });
  expect(imported.resumed).toBeGreaterThan(0);
});

it("a backup, and a restore of it", async () => {
  const creating = ["backup", "create", at("backup"), "--keys-to", at("keys"), "--data", at("data")];
  await killWhen(creating, () => existsSync(join(at("backup.unfinished"), "log.db")));
  expect([existsSync(at("backup")), existsSync(at("keys"))]).toEqual([false, false]);
  expect(await refused(["backup", "verify", at("backup")])).toContain("is no backup");
  await done(creating);
  expect(existsSync(at("backup.unfinished"))).toBe(false);

  const restoring = ["backup", "restore", at("backup"), "--keys", at("keys"), "--data", at("restored")];
  await killWhen(restoring, () => existsSync(join(at("restored"), "restoring", "log.db")));
  expect(existsSync(join(at("restored"), "log.db"))).toBe(false);
  expect(await refused(["serve", "--port", "0", "--data", at("restored")])).toContain("a restore into");
  expect(await done(restoring)).toMatchObject({ withoutKeys: false });
  const { sha256 } = await done(["events", "export", "--data", at("restored"), "--output", at("again")]);
  expect(sha256).toBe((await done(["events", "export", "--data", at("data"), "--output", at("first")])).sha256);
});

it("a restore tells of the ledger of erasures that the start will read", async () => {
  await done(["backup", "create", at("plain"), "--data", at("data")]);
  const told = async (name: string, ledger: string): Promise<string> => {
    const args = ["backup", "restore", at("plain"), "--data", at(name)];
    const { code, stdout, stderr } = await run(args, { PARLEY_ERASURE_LEDGER: ledger });
    expect(code).toBe(0);
    return stdout + stderr;
  };
  writeFileSync(at("ledger"), "");
  expect(await told("with-ledger", at("ledger"))).toContain(`The ledger of erasures is there (${at("ledger")})`);
  expect(await told("ledger-gone", at("gone"))).toContain(
    `PARLEY_ERASURE_LEDGER names ${at("gone")}, which is not there`,
  );
  expect(await told("no-ledger", "")).toContain("No ledger of erasures was given");
});
