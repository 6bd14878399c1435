import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newestStart, openEpoch } from "../../../src/commands/epoch.js";
import { canonicalOf } from "../../../src/audit/canonical.js";
import { asPosition, noPosition, streamOf } from "../../../src/domain/kernel/stream.js";
import { openSqliteLogReader } from "../../../src/infra/event-log/sqlite/file-reader.js";
import { openSqliteKeyStore } from "../../../src/infra/key-store/sqlite/key-store.js";
import { toldHead } from "../../../src/audit/tree/head.js";
import { openTreeKeeper } from "../../../src/audit/tree/keeper.js";
import { createTreeSigner } from "../../../src/audit/tree/signer.js";
import { openTreeKeyFile } from "../../../src/infra/tree-keys/file.js";
import { compareWithWitness } from "../../../src/operate/backup/against-witness.js";
import { createBackup } from "../../../src/operate/backup/create.js";
import { restoreBackup } from "../../../src/operate/backup/restore.js";
import { verifyBackup } from "../../../src/operate/backup/verify.js";
import { lockDirectory, missingLogOf } from "../../../src/profiles/data-directory.js";
import { openLogKit, writeLongConversation, type LogKit } from "../../kit/log.js";
import { appendLeaves, memoryTree } from "../../kit/tree.js";
import { testMasterKeys } from "../../kit/master-key.js";

let root: string;
let kit: LogKit;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "parley-backup-"));
  kit = await openLogKit();
  await openEpoch(kit.log, "here", Date.now, { uuid: () => crypto.randomUUID() });
  writeFileSync(join(kit.dir, "token.secret"), "secret\n");
  writeFileSync(join(kit.dir, "master.key"), "wraps\n");
});
afterEach(async () => {
  await kit.dispose();
  rmSync(root, { recursive: true, force: true });
});

const source = () => ({ profile: "embedded", dir: kit.dir }) as const;
const at = (name: string): string => join(root, name);
const eventsIn = async (path: string, upTo: number): Promise<readonly string[]> => {
  const log = openSqliteLogReader(path);
  const events = await log.readAll(noPosition, upTo);
  log.close();
  return events.map(canonicalOf);
};

/** Writes, and makes keys, for as long as it is told; as many of either as there are. */
const busyServer = () => {
  const until = new AbortController();
  const keys: string[] = [];
  const work = (async () => {
    for (let round = 0; !until.signal.aborted; round += 1) {
      const id = `alice/${round}/x`;
      await kit.keys.obtain(id);
      keys.push(id);
      await writeLongConversation(kit.log, `g_${round}`, 50);
    }
  })();
  return {
    stop: async () => {
      until.abort();
      await work;
      return keys;
    },
  };
};

it("a backup for which its disk has no room names the directory, and leaves nothing", async () => {
  await writeLongConversation(kit.log, "g_1", 500);
  const parley = fileURLToPath(new URL("../../../dist/src/cli/parley.js", import.meta.url));
  const create = `ulimit -f 64; exec "$0" "$@"`;
  const args = [parley, "backup", "create", at("b"), "--data", kit.dir];
  // No file may grow beyond 32 KiB: the system refuses the write as that of a full disk.
  const ran = spawnSync("sh", ["-c", create, process.execPath, ...args], { encoding: "utf8" });
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain(`the backup in ${at("b")} was not made, and nothing of it is left`);
  expect(ran.stderr).toContain(`df ${root}`);
  expect(readdirSync(root)).toEqual([]);
});

it("the ledger of erasures is in no backup, and a restore takes it along from where it is", async () => {
  const ledger = (name: string, line: string): string => {
    writeFileSync(at(name), line);
    return at(name);
  };
  writeFileSync(join(kit.dir, "erasures.ndjson"), "of the old directory\n");
  await createBackup(source(), { dir: at("b") });
  expect(readdirSync(at("b"))).not.toContain("erasures.ndjson");
  const restored = (dataDir: string) => readFileSync(join(dataDir, "erasures.ndjson"), "utf8");
  const old = { old: kit.dir };
  expect((await restoreBackup({ dir: at("b"), dataDir: at("n1"), ...old })).withErasures).toBe(true);
  expect(restored(at("n1"))).toBe("of the old directory\n");
  const erasures = ledger("elsewhere", "named\n");
  expect((await restoreBackup({ dir: at("b"), dataDir: at("n2"), ...old, erasures })).withErasures).toBe(true);
  expect(restored(at("n2"))).toBe("named\n");
  expect((await restoreBackup({ dir: at("b"), dataDir: at("n3") })).withErasures).toBe(false);
});

describe("a backup", () => {
  it("taken beside a busy server is the log of one moment with all keys that it needs", async () => {
    await writeLongConversation(kit.log, "g_long", 40_000);
    const server = busyServer();
    const before = await kit.log.head();
    const copied: number[] = [];
    const manifest = await createBackup(source(), { dir: at("b") }, (done) => copied.push(done));
    await server.stop();
    // One that begins again at each commit would go on for as long as the server writes.
    expect(copied.toSorted((a, b) => a - b)).toEqual([...new Set(copied)]);
    expect(manifest.head).toBeGreaterThanOrEqual(before);
    expect((await verifyBackup(at("b"), undefined)).problems).toEqual([]);
    const { epoch } = await restoreBackup({ dir: at("b"), dataDir: at("new") });
    const whole = await eventsIn(join(kit.dir, "log.db"), manifest.head);
    expect(await eventsIn(join(at("new"), "log.db"), manifest.head)).toEqual(whole);
    const log = openSqliteLogReader(join(at("new"), "log.db"));
    const [start] = await log.readAll(asPosition(manifest.head), 10);
    expect(start).toMatchObject({ stream: streamOf.log, position: manifest.head + 1 });
    expect(await newestStart(log)).toMatchObject({
      ...{ epoch, home: "here", cause: "restore" },
      previous: { epoch: manifest.epoch, head: manifest.head },
    });
    // A conversation is written after the key of its round is made.
    const rounds = whole.filter((line) => line.includes('"ConversationStarted"')).length - 1;
    log.close();
    const keys = await openSqliteKeyStore(join(at("new"), "keys.db"), testMasterKeys);
    for (let round = 0; round < rounds; round += 1)
      expect(await keys.find(`alice/${round}/x`)).toEqual(await kit.keys.find(`alice/${round}/x`));
    await keys.close();
    expect(missingLogOf(at("new"))).toBeUndefined();
    expect(readdirSync(at("new")).toSorted()).toEqual([
      "keys.db",
      "log.db",
      "master.key",
      "parley.lock",
      "token.secret",
    ]);
  });

  it("that is taken apart has nothing secret with the log, and is not mixed with another's keys", async () => {
    await kit.keys.obtain("alice/profile/x");
    await createBackup(source(), { dir: at("b"), keysTo: at("k") });
    await createBackup(source(), { dir: at("b2"), keysTo: at("k2") });
    expect(readdirSync(at("b")).toSorted()).toEqual(["backup.json", "log.db"]);
    expect(readdirSync(at("k")).toSorted()).toEqual(["backup.json", "keys.db", "master.key", "token.secret"]);
    expect((await verifyBackup(at("b"), at("k"))).problems).toEqual([]);
    expect((await verifyBackup(at("b"), at("k2"))).problems).toEqual(["log and keys are of two different backups"]);
    expect((await verifyBackup(at("k"), undefined)).problems).not.toEqual([]);
    const restored = await restoreBackup({ dir: at("b"), keysDir: at("k"), dataDir: at("new"), old: kit.dir });
    expect(restored).toMatchObject({ withoutKeys: false, missing: { events: 0 } });
    expect(readFileSync(join(at("new"), "token.secret"), "utf8")).toBe("secret\n");
    expect((await restoreBackup({ dir: at("b"), dataDir: at("keyless") })).withoutKeys).toBe(true);
  });

  it("with any byte or file changed or missing is not restored", async () => {
    await createBackup(source(), { dir: at("b") });
    for (const name of ["log.db", "keys.db", "token.secret", "master.key"]) {
      const path = join(at("b"), name);
      const bytes = readFileSync(path);
      const spoilt = Buffer.from(bytes);
      spoilt.writeUInt8(spoilt.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      for (const change of [spoilt, undefined, Buffer.alloc(0)]) {
        rmSync(path);
        if (change !== undefined) writeFileSync(path, change);
        expect((await verifyBackup(at("b"), undefined)).problems).toHaveLength(1);
        await expect(restoreBackup({ dir: at("b"), dataDir: at("new") })).rejects.toThrow(name);
        expect(existsSync(at("new"))).toBe(false);
        writeFileSync(path, bytes);
      }
    }
    rmSync(join(at("b"), "backup.json"));
    await expect(verifyBackup(at("b"), undefined)).rejects.toThrow("is no backup");
  });

  it("is made in no directory that is there, and restored into none that has anything or a server", async () => {
    await createBackup(source(), { dir: at("b") });
    await expect(createBackup(source(), { dir: at("b") })).rejects.toThrow("is there already");
    await expect(createBackup(source(), { dir: at("c"), keysTo: at("b") })).rejects.toThrow("is there already");
    expect(readdirSync(root)).toEqual(["b"]);
    mkdirSync(at("used"));
    writeFileSync(join(at("used"), "a file"), "");
    await expect(restoreBackup({ dir: at("b"), dataDir: at("used") })).rejects.toThrow("is not empty (a file)");
    expect(readdirSync(at("used"))).toContain("a file");
    const { release } = lockDirectory(at("running"));
    await expect(restoreBackup({ dir: at("b"), dataDir: at("running") })).rejects.toThrow("Another Parley is using");
    release();
  });

  it("says how much came after it, if the old directory is still there", async () => {
    await createBackup(source(), { dir: at("b") });
    await writeLongConversation(kit.log, "g_later", 10);
    expect(await restoreBackup({ dir: at("b"), dataDir: at("new"), old: kit.dir })).toMatchObject({
      missing: { events: 12, from: 1, to: 10 },
    });
    writeFileSync(join(at("b"), "not a log"), "");
    const unknown = { missing: { unknown: expect.any(String) as string } };
    expect(await restoreBackup({ dir: at("b"), dataDir: at("new2"), old: at("nowhere") })).toMatchObject(unknown);
    expect(await restoreBackup({ dir: at("b"), dataDir: at("new3"), old: at("new") })).toMatchObject(unknown);
  });
});

/** A head over all that is there. */
const signHead = async (log: LogKit["log"]) => {
  const keeper = await openTreeKeeper({ source: log, store: memoryTree(), epoch: "e" });
  const { size } = (await keeper.catchUp()).checkpoint;
  const keys = openTreeKeyFile(join(kit.dir, "tree.key"));
  const signer = createTreeSigner({ log, keys, clock: Date.now, ids: { uuid: () => crypto.randomUUID() } });
  const head = await signer.sign({ size, root: await keeper.root(size), epoch: "e" });
  if (head === undefined) throw new Error("no head");
  return toldHead(head);
};

describe("a backup held against a witness's heads", () => {
  it("goes on from them, or says how much is missing; one of another log is not restored", async () => {
    await appendLeaves(kit.log, 20);
    const older = await signHead(kit.log);
    await appendLeaves(kit.log, 7);
    const { head } = await createBackup(source(), { dir: at("backup"), keysTo: undefined });
    await appendLeaves(kit.log, 30);
    const newer = await signHead(kit.log);
    const [one, both, others] = [at("one.json"), at("both.ndjson"), at("others.json")];
    // As parley audit head --json prints one, and as a witness has them.
    writeFileSync(one, JSON.stringify({ ...older, position: 1 }, undefined, 2));
    writeFileSync(both, [newer, older].map((told) => `${JSON.stringify(told)}\n`).join(""));
    writeFileSync(others, JSON.stringify({ ...older, root: "00".repeat(32), keyId: "another" }));
    const manifest = { profile: "embedded" } as const;
    const since = await compareWithWitness(at("backup"), manifest, one);
    // Its own head is a leaf as well, and so is the key before it; the log's first event is none.
    expect(since).toMatchObject({ heads: 2, witness: { size: older.size, missing: 0, since: head - 1 - older.size } });
    const missing = await compareWithWitness(at("backup"), manifest, both);
    expect(missing).toMatchObject({ witness: { size: newer.size, missing: newer.size - (head - 1), since: 0 } });
    expect([since.problem, missing.problem]).toEqual([undefined, undefined]);
    expect((await compareWithWitness(at("backup"), manifest, others)).problem).toContain("another history");
    const restore = (name: string, witnessFile: string) =>
      restoreBackup({ dir: at("backup"), dataDir: at(name), witnessFile });
    await expect(restore("refused", others)).rejects.toThrow("not of the log that the witness saw");
    expect(existsSync(at("refused"))).toBe(false);
    expect((await restore("restored", both)).against).toEqual(missing);
    // Nothing was left beside what is verified.
    expect((await verifyBackup(at("backup"), undefined)).problems).toEqual([]);
    await expect(compareWithWitness(at("backup"), { profile: "distributed" }, both)).rejects.toThrow("EventStoreDB's");
  });
});
