import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openKeyFile } from "../../../../src/infra/key-store/sqlite/schema.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../../../src/infra/key-store/sqlite/key-store.js";
import { keyStoreContract } from "../../../contract/key-store.contract.js";
import { unwrap } from "../../../../src/infra/key-store/wrapping.js";
import { testMasterKeys } from "../../../kit/master-key.js";

const directories: string[] = [];
const stores: SqliteKeyStore[] = [];
const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "parley-keys-"));
  directories.push(directory);
  return join(directory, "keys.db");
};
const open = async (
  path = newPath(),
  options: Parameters<typeof openSqliteKeyStore>[2] = {},
): Promise<SqliteKeyStore> => {
  const store = await openSqliteKeyStore(path, testMasterKeys, options);
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

keyStoreContract("SQLite", async () => {
  const path = newPath();
  let store = await openSqliteKeyStore(path, testMasterKeys);
  const reopen = async (): Promise<SqliteKeyStore> => {
    await store.close();
    return (store = await openSqliteKeyStore(path, testMasterKeys));
  };
  return { store, reopen, close: () => store.close() };
});

describe("the SQLite key store", () => {
  it("is nobody else's to read", async () => {
    const path = newPath();
    await (await open(path)).obtain("k");
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
  });

  it("is synced at every commit, also when it is opened again", () => {
    const path = newPath();
    for (let i = 0; i < 2; i++) {
      const db = openKeyFile(path);
      expect(db.pragma("synchronous", { simple: true })).toBe(2);
      db.close();
    }
  });

  it("has the key in the file before it hands it out", async () => {
    const path = newPath();
    const key = await (await open(path)).obtain("k");
    const db = openKeyFile(path);
    const wrapped = db.prepare<[], Buffer>("select key from keys where id = 'k'").pluck().get();
    expect(unwrap(testMasterKeys, "k", wrapped ?? Buffer.alloc(0))).toEqual(key);
    db.close();
  });

  it("finds what another process has made meanwhile, rather than making a second key", async () => {
    const path = newPath();
    const [one, two] = [await open(path), await open(path)];
    expect(await two.obtain("k")).toEqual(await one.obtain("k"));
  });

  it("forgets the least recently used key in memory only", async () => {
    const store = await open(newPath(), { cachedKeysMax: 2 });
    const key = await store.obtain("a");
    await store.obtain("b");
    store.cached("a");
    await store.obtain("c");
    expect([store.cached("a"), store.cached("b")]).toEqual([key, undefined]);
    expect(await store.obtain("b")).toHaveLength(32);
  });

  it("hands out the same bytes to all who ask at once", async () => {
    const path = newPath();
    const made = await (await open(path)).obtain("k");
    const store = await open(path);
    const [found, obtained, again] = await Promise.all([store.find("k"), store.obtain("k"), store.find("k")]);
    expect(found).toEqual(made);
    expect([obtained, again, store.cached("k")].map((key) => key === found)).toEqual([true, true, true]);
  });

  it("refuses above its bound", async () => {
    const store = await open(newPath(), { waitingMax: 3 });
    const asked = await Promise.allSettled(["a", "b", "c", "d"].map((id) => store.obtain(id)));
    expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });

  it("makes keys again after another has held the file, or a commit was taken back", async () => {
    const path = newPath();
    const store = await open(path, { busyMsMax: 1 });
    const other = openKeyFile(path);
    other.exec("begin immediate");
    await expect(store.obtain("k")).rejects.toMatchObject({ code: "UNAVAILABLE", message: "database is locked" });
    other.exec("rollback");
    other.exec("create trigger t before insert on keys when new.id = 'bad' begin select raise(abort, 'no'); end;");
    other.close();
    await expect(store.obtain("bad")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(store.cached("bad")).toBeUndefined();
    expect(await store.obtain("k")).toHaveLength(32);
    expect(await Promise.race([store.failed, Promise.resolve("goes on")])).toBe("goes on");
  });

  it("stops for good, and says so, when nobody knows what a commit has left in the file", async () => {
    const path = newPath();
    const store = await open(path);
    const key = await store.obtain("k");
    const other = openKeyFile(path).unsafeMode();
    // Lets this connection go on where the others find the file damaged.
    other.pragma("writable_schema = on");
    const moveTable = (pages: number): void => {
      other.prepare("update sqlite_schema set rootpage = rootpage + ? where name = 'keys'").run(pages);
      other.pragma(`schema_version = ${Number(other.pragma("schema_version", { simple: true })) + 1}`);
    };
    moveTable(1_000);
    await expect(store.obtain("new")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect((await store.failed).message).toMatch(/^the key store has stopped: /);
    moveTable(-1_000);
    other.close();
    await expect(store.obtain("new")).rejects.toThrow("the key store has stopped");
    expect(await store.obtain("k")).toBe(key);
  });

  it("says why it cannot be opened", async () => {
    await expect(openSqliteKeyStore("/nowhere/keys.db", testMasterKeys)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
