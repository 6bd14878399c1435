import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../../../src/infra/key-store/sqlite/key-store.js";
import { openKeyFile } from "../../../../src/infra/key-store/sqlite/schema.js";
import type { MasterKeys } from "../../../../src/infra/key-store/wrapping.js";

const dirs: string[] = [];
const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "parley-wrapped-"));
  dirs.push(dir);
  return dir;
};
const stores: SqliteKeyStore[] = [];
const open = async (dir: string, masterKeys: MasterKeys, busyMsMax = 5_000): Promise<SqliteKeyStore> => {
  const store = await openSqliteKeyStore(join(dir, "keys.db"), masterKeys, { busyMsMax });
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});
const [first, second] = [randomBytes(32), randomBytes(32)];
const isAnywhere = (dir: string, bytes: Buffer): boolean =>
  readdirSync(dir).some((file) => readFileSync(join(dir, file)).includes(bytes));

describe("keys in SQLite", () => {
  it("that lay plain are wrapped by the first start, and their bytes are nowhere in the files any more", async () => {
    const dir = newDir();
    const db = openKeyFile(join(dir, "keys.db"));
    const plain = new Map(Array.from({ length: 500 }, (_, i) => [`user-${i}/2026-11/x`, randomBytes(32)]));
    const insert = db.prepare("insert into keys values (?, ?)");
    for (const [id, key] of plain) insert.run(id, key);
    const any = [...plain.values()];
    expect(any.every((key) => isAnywhere(dir, key))).toBe(true);
    db.close();
    const store = await open(dir, [first]);
    for (const [id, key] of plain) expect(await store.find(id)).toEqual(key);
    expect(any.some((key) => isAnywhere(dir, key))).toBe(false);
  });

  it("are never written plain", async () => {
    const dir = newDir();
    const store = await open(dir, [first]);
    const key = await store.obtain("alice/2026-11/x");
    expect(isAnywhere(dir, key)).toBe(false);
    expect(isAnywhere(dir, Buffer.from("alice/2026-11/x"))).toBe(true);
  });

  it("are not opened, nor made, by another master key", async () => {
    const dir = newDir();
    const store = await open(dir, [first]);
    await store.obtain("k");
    await store.close();
    await expect(open(dir, [second])).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("PARLEY_MASTER_KEY") as string,
    });
    expect((await open(dir, [second, first])).cached("k")).toBeUndefined();
  });

  it("are wrapped anew beside those who ask for keys, and the old master key opens none of them then", async () => {
    const dir = newDir();
    const store = await open(dir, [first]);
    const before = await Promise.all(Array.from({ length: 1_300 }, (_, i) => store.obtain(`before-${i}`)));
    const rewrapping = store.rewrap([second, first]);
    const during = await Promise.all(Array.from({ length: 50 }, (_, i) => store.obtain(`during-${i}`)));
    // The sentinel is one of them; those that came meanwhile had the second one from the start.
    expect(await rewrapping).toBe(1_301);
    expect(await store.rewrap([second])).toBe(0);
    await store.close();
    await expect(open(dir, [first])).rejects.toThrow("PARLEY_MASTER_KEY");
    const again = await open(dir, [second]);
    expect(await Promise.all(before.map((_, i) => again.find(`before-${i}`)))).toEqual(before);
    expect(await Promise.all(during.map((_, i) => again.find(`during-${i}`)))).toEqual(during);
  });

  it("are forgotten in memory as well when their destruction waits for somebody who reads the file", async () => {
    const dir = newDir();
    const store = await open(dir, [first], 10);
    await store.obtain("alice/2026-11/x");
    const reader = openKeyFile(join(dir, "keys.db"));
    reader.exec("begin");
    reader.prepare("select count(*) from keys").get();
    await expect(store.destroy("alice")).rejects.toThrow("Run it again");
    expect(store.cached("alice/2026-11/x")).toBeUndefined();
    await expect(store.obtain("alice/2026-11/x")).rejects.toThrow("no key came");
    reader.close();
    expect(await store.destroy("alice")).toEqual([]);
  });
});
