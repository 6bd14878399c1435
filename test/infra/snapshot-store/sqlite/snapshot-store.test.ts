import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openSnapshotFile } from "../../../../src/infra/snapshot-store/sqlite/schema.js";
import {
  openSqliteSnapshots,
  type SqliteSnapshots,
} from "../../../../src/infra/snapshot-store/sqlite/snapshot-store.js";
import { chunk, snapshotOf, snapshotStoreContract } from "../../../contract/snapshot-store.contract.js";

const directories: string[] = [];
const stores: SqliteSnapshots[] = [];
const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "parley-snapshots-"));
  directories.push(directory);
  return join(directory, "snapshots.db");
};
const open = (path: string): SqliteSnapshots => {
  const store = openSqliteSnapshots(path);
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

snapshotStoreContract("SQLite", () => {
  const path = newPath();
  let store = openSqliteSnapshots(path);
  const reopen = async () => {
    await store.close();
    return (store = openSqliteSnapshots(path));
  };
  return Promise.resolve({ store, reopen, close: () => store.close() });
});

/** A store with one snapshot, closed. */
const written = async (path = newPath()): Promise<string> => {
  const store = open(path);
  await store.save("s", snapshotOf(3, chunk("a", "something"), chunk("f", "fixed", true)));
  await store.close();
  return path;
};
const worksAfresh = async (path: string): Promise<void> => {
  const store = open(path);
  expect(await store.load("s", 1)).toBeUndefined();
  await store.save("s", snapshotOf(4, chunk("a", "again"), chunk("f", "fixed", true)));
  expect(await store.load("s", 1)).toMatchObject({ revision: 4 });
};

describe("the SQLite snapshot store", () => {
  it("is nobody else's to read, neither new nor when others could read it before", async () => {
    const [made, found] = [newPath(), newPath()];
    writeFileSync(found, "");
    chmodSync(found, 0o644);
    for (const path of [made, found]) {
      await open(path).save("s", snapshotOf(3, chunk("a", "something")));
      for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    }
  });

  it("makes a file anew that is no database, empty or of another schema", async () => {
    const garbage = await written();
    writeFileSync(garbage, "this is not a database, and it is longer than a header of one".repeat(100));
    await worksAfresh(garbage);
    const empty = await written();
    writeFileSync(empty, "");
    await worksAfresh(empty);
    const later = await written();
    const db = openSnapshotFile(later);
    db.pragma("user_version = 99");
    db.close();
    await worksAfresh(later);
  });

  it("has no snapshot where a page of the file is damaged", async () => {
    const path = await written();
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(statSync(path).size - 4_096, 0xaa), 0, undefined, 4_096);
    closeSync(file);
    await worksAfresh(path);
  });

  it.each([
    ["a flipped bit", "update chunks set data = x'00' where name = 'a'"],
    ["a missing chunk", "delete from chunks where name = 'f'"],
  ])("has no snapshot after %s, and saves every chunk of the next one", async (_, damage) => {
    const path = await written();
    const db = openSnapshotFile(path);
    db.exec(damage);
    db.close();
    await worksAfresh(path);
  });

  it("rejects when the file cannot be made, and when it is closed", async () => {
    await expect(open("/nowhere/snapshots.db").load("s", 1)).rejects.toThrow();
    const store = open(newPath());
    await store.close();
    await expect(store.load("s", 1)).rejects.toThrow();
  });
});
