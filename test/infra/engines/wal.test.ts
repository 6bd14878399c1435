import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSqliteLog } from "../../../src/infra/event-log/sqlite/event-log.js";
import { openSqliteSnapshots } from "../../../src/infra/snapshot-store/sqlite/snapshot-store.js";
import { openSqliteViewsFile } from "../../../src/infra/view-store/sqlite/views-file.js";
import { cutWal, walBytes, walBytesKept } from "../../../src/infra/engines/wal.js";
import { assign } from "../../../src/projections/view-change.js";
import { writeLongConversation } from "../../kit/log.js";
import { asPosition, asRevision } from "../../../src/domain/kernel/stream.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "parley-wal-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const mebibyte = 1024 * 1024;

/** Begins a read, which keeps all that is written after it in the WAL; answers what ends it. */
const slowReader = (path: string): (() => void) => {
  const db = new Database(path, { readonly: true });
  db.exec("begin");
  db.prepare("select count(*) from sqlite_schema").get();
  return () => db.close();
};

/** What is written beside the reader stays in the WAL; when the reader has left it is cut, without a restart or a write. */
const expectCutAfter = async (path: string, write: () => Promise<void>): Promise<void> => {
  const leave = slowReader(path);
  try {
    await write();
    expect(walBytes(path)).toBeGreaterThan(walBytesKept);
  } finally {
    leave();
  }
  await expect.poll(() => walBytes(path)).toBeLessThanOrEqual(walBytesKept);
};

it("the log's is cut after a slow reader has left, and everything is there", async () => {
  const path = join(dir, "log.db");
  const log = await openSqliteLog(path);
  await expectCutAfter(path, () => writeLongConversation(log, "g_long", 60_000));
  expect(await log.head()).toBe(60_002);
  await writeLongConversation(log, "g_next", 10);
  await log.close();
});

it("the views' is", async () => {
  const path = join(dir, "views.db");
  const views = openSqliteViewsFile(path);
  await expectCutAfter(path, () => {
    for (let index = 1; index <= 20; index++)
      views.apply([assign("messages", ["g_1", index], { content: "x".repeat(mebibyte) }, index)], {
        position: asPosition(index),
        epoch: "e",
      });
    return Promise.resolve();
  });
  expect(views.checkpoint()).toEqual({ position: 20, epoch: "e" });
  views.close();
});

it("the snapshots' is", async () => {
  const path = join(dir, "snapshots.db");
  const snapshots = openSqliteSnapshots(path);
  const save = (index: number) => {
    const chunks = [{ name: "all", fixed: false, data: () => new Uint8Array(mebibyte) }];
    return snapshots.save(`conversation-${index}`, { version: 1, revision: asRevision(1), eventId: "e", chunks });
  };
  await save(0);
  await expectCutAfter(path, async () => {
    for (let index = 1; index <= 20; index++) await save(index);
  });
  expect(await snapshots.load("conversation-20", 1)).toMatchObject({ revision: 1 });
  await snapshots.close();
});

it("nobody waits for a reader that is still there", () => {
  const path = join(dir, "some.db");
  const db = new Database(path, { timeout: 600_000 });
  db.pragma("journal_mode = WAL");
  db.exec("create table rows (data blob)");
  const leave = slowReader(path);
  const insert = db.prepare("insert into rows values (zeroblob(?))");
  for (let index = 0; index < 20; index++) insert.run(mebibyte);
  // Not the ten minutes that this connection otherwise waits for others.
  cutWal(db, path);
  expect(walBytes(path)).toBeGreaterThan(walBytesKept);
  leave();
  cutWal(db, path);
  expect(walBytes(path)).toBe(0);
  expect(db.pragma("busy_timeout", { simple: true })).toBe(600_000);
  db.close();
});
