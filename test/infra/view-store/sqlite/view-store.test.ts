import { randomUUID } from "node:crypto";
import Database from "better-sqlite3";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asPosition, type NewEvent } from "../../../../src/domain/kernel/stream.js";
import { openSqliteLog, type SqliteLog } from "../../../../src/infra/event-log/sqlite/event-log.js";
import { viewsWorkerUrl } from "../../../../src/profiles/views-worker-url.js";
import { openSqliteViews, type SqliteViews } from "../../../../src/infra/view-store/sqlite/view-store.js";
import { olderViewsIn } from "../../../../src/infra/view-store/sqlite/older-views.js";
import { viewsVersion } from "../../../../src/projections/registry.js";
import { openSqliteViewsFile } from "../../../../src/infra/view-store/sqlite/views-file.js";
import { viewStoreContract } from "../../../contract/view-store.contract.js";
import { logOf } from "../../../kit/arbitraries.js";
import { eventually } from "../../../kit/device.js";
import { coreStore, temporaryDirectory } from "../../../kit/sqlite-views.js";

viewStoreContract("SQLite, in this thread", () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "views.db");
  let store = coreStore(path);
  return Promise.resolve({
    store,
    reopen: () => {
      store.close();
      store = coreStore(path);
      return Promise.resolve(store);
    },
    close: () => {
      store.close();
      directory.remove();
      return Promise.resolve();
    },
  });
});

it("a file that cannot be opened now is not taken for one to delete; one that is damaged is", () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "views.db");
  const other = new Database(path);
  other.exec("begin exclusive");
  expect(() => openSqliteViewsFile(path)).toThrow(
    expect.objectContaining({
      code: "UNAVAILABLE",
      message: `${path} cannot be opened now: database is locked`,
    }) as Error,
  );
  other.exec("rollback");
  other.close();
  openSqliteViewsFile(path).close();
  writeFileSync(path, "no database at all, and longer than a header of one hundred bytes. ".repeat(3));
  expect(() => openSqliteViewsFile(path)).toThrow(/file is not a database\. Delete .*built again from the log/);
  directory.remove();
});

it("a file of a newer Parley, and one that is none of Parley's, are refused, each with what to do", () => {
  const directory = temporaryDirectory();
  const [newer, foreign] = [join(directory.path, "views.db"), join(directory.path, "other.db")];
  openSqliteViewsFile(newer).close();
  const db = new Database(newer);
  db.pragma(`user_version = ${viewsVersion + 1}`);
  db.close();
  expect(() => openSqliteViewsFile(newer)).toThrow(/newer Parley \(its format is \d+, this one reads \d+\)\. Upgrade/);
  const other = new Database(foreign);
  other.exec("create table checkpoint (only integer); create table diary (page text)");
  other.close();
  expect(() => openSqliteViewsFile(foreign)).toThrow(/or by something else\. Delete/);
  for (const path of [newer, foreign, join(directory.path, "none.db")]) expect(olderViewsIn(path)).toBeUndefined();
  directory.remove();
});

const bound = { epoch: "e1" };

viewStoreContract("SQLite, in its worker", async () => {
  const directory = temporaryDirectory();
  const files = { path: join(directory.path, "views.db"), logPath: join(directory.path, "log.db") };
  const log = await openSqliteLog(files.logPath);
  // The contract's checkpoints are of this log.
  await append(log, Array.from({ length: 10 }, started));
  let views = await openSqliteViews(viewsWorkerUrl, { ...files, ...bound });
  return {
    store: views.store,
    reopen: async () => {
      await views.close();
      views = await openSqliteViews(viewsWorkerUrl, { ...files, ...bound });
      return views.store;
    },
    close: async () => {
      await views.close();
      await log.close();
      directory.remove();
    },
  };
});

const meta = { at: 1, by: { userId: "alice", deviceId: "phone" }, commandId: "c", correlationId: "c", schema: 1 };
const eventOf = (type: string, data: object): NewEvent => ({
  id: randomUUID(),
  type,
  data: JSON.stringify(data),
  meta: JSON.stringify(meta),
});
const started = (): NewEvent => eventOf("LogStarted", { epoch: "e1" });

const append = async (log: SqliteLog, events: readonly NewEvent[], stream = "parley-log"): Promise<number> => {
  const result = await log.append(stream, "any", events);
  if (result.kind === "conflict") throw new Error("conflict");
  return result.position;
};

describe("the views of a log", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let files: { readonly path: string; readonly logPath: string };
  let log: SqliteLog;
  let views: SqliteViews | undefined;
  const open = async (epoch = "e1"): Promise<SqliteViews> => {
    await views?.close();
    return (views = await openSqliteViews(viewsWorkerUrl, { ...files, epoch }));
  };
  /** The events of a small conversation, as the log takes them. */
  const conversation = async (messages: number): Promise<number> => {
    const wishes = Array.from({ length: messages }, () => ({
      do: "send" as const,
      in: "g_one" as const,
      user: "alice" as const,
      reply: false,
    }));
    let position = 0;
    for (const { stream, type, data, meta: text } of logOf(wishes))
      position = await append(log, [{ id: randomUUID(), type, data, meta: text }], stream);
    return position;
  };

  beforeEach(async () => {
    directory = temporaryDirectory();
    files = { path: join(directory.path, "views.db"), logPath: join(directory.path, "log.db") };
    log = await openSqliteLog(files.logPath);
  });
  afterEach(async () => {
    await views?.close();
    views = undefined;
    await log.close();
    directory.remove();
  });

  it("follows the log: a reader that waits for a position reads everything up to it", async () => {
    const store = await open();
    const position = await conversation(20);
    expect(await store.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
    expect(store.checkpoint()).toEqual({ position, epoch: "e1" });
    const [row] = await store.store.reads.summaries("bob", ["g_one"]);
    expect(row?.conversation.lastSequence).toBe(20);
  });

  it("wakes are enough: nobody has to wait for the views to follow", async () => {
    const store = await open();
    log.subscribe("head", {
      onEvents: (events) => {
        store.wake(asPosition(events.at(-1)?.position ?? 0));
      },
      onFailure: () => undefined,
    });
    const position = await conversation(30);
    await eventually(() => store.checkpoint().position >= position, "the views");
    expect(store.lag()).toBe(0);
  });

  it("goes on from its checkpoint when it is opened again", async () => {
    const first = await open();
    const before = await conversation(5);
    expect(await first.awaitCaughtUp(asPosition(before), 60_000)).toBe(true);
    const again = await open();
    expect(again.checkpoint().position).toBe(before);
    const position = await append(log, [started()]);
    expect(await again.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
  });

  it("waits no longer than it is told, and a position that is not there yet harms nobody", async () => {
    const store = await open();
    const position = await conversation(1);
    expect(await store.awaitCaughtUp(asPosition(position + 1), 30)).toBe(false);
    const next = await append(log, [started()]);
    expect(await store.awaitCaughtUp(asPosition(next), 60_000)).toBe(true);
  });

  it("an event that cannot be projected stops the views, says so and keeps the checkpoint before it", async () => {
    const store = await open();
    const good = await conversation(3);
    const poison = await append(log, [eventOf("MessageSent", { sequence: "four" })], "conversation-g_one");
    const waiting = store.awaitCaughtUp(asPosition(poison), 10_000);
    expect((await store.failed).message).toContain("MessageSent at conversation-g_one@5 cannot be projected");
    expect(await waiting).toBe(false);
    expect(await store.store.checkpoint()).toEqual({ position: good, epoch: "e1" });
    expect(await store.store.reads.summaries("alice", ["g_one"])).toHaveLength(1);
    expect(await store.awaitCaughtUp(asPosition(poison + 1), 10_000)).toBe(false);
    expect(await store.awaitCaughtUp(asPosition(good), 60_000)).toBe(true);
  });

  it("a lock or a full disk that passes is tried again and told, and reads see everything after it", async () => {
    const told: (string | undefined)[] = [];
    views = await openSqliteViews(viewsWorkerUrl, { ...files, epoch: "e1" }, (problem) => told.push(problem));
    const other = new Database(files.path);
    other.exec("begin immediate");
    const position = await conversation(3);
    expect(await views.awaitCaughtUp(asPosition(position), 20)).toBe(false);
    await expect.poll(() => views?.problem()).toContain("database is locked");
    expect(await views.store.reads.summaries("bob", ["g_one"])).toEqual([]);
    other.exec("rollback");
    other.close();
    expect(await views.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
    expect([views.problem(), told.at(-1)]).toEqual([undefined, undefined]);
    expect(told[0]).toContain("database is locked");
    expect(await views.store.reads.summaries("bob", ["g_one"])).toHaveLength(1);
  });

  it("are not there before they hold what the log held when they were opened, and lag afterwards is no problem", async () => {
    const position = await conversation(3);
    const store = await open();
    expect([store.opened, store.problem()]).toEqual([
      position,
      expect.stringContaining(`at 0 of ${position}`) as string,
    ]);
    expect(await store.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
    expect(store.problem()).toBeUndefined();
    await append(log, [started()]);
    expect(store.problem()).toBeUndefined();
  });

  it("refuses views of another incarnation, and views that are ahead of their log, naming the file", async () => {
    const store = await open();
    const position = await conversation(1);
    expect(await store.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
    await expect(open("e2")).rejects.toThrow(`delete ${files.path}`);
    const core = coreStore(files.path);
    await core.apply([], { position: asPosition(position + 100), epoch: "e1" });
    core.close();
    await expect(open()).rejects.toMatchObject({ code: "VIEWS_UNUSABLE" });
  });

  it("views of an older version are deleted and built anew, those of another log or of its future are looked at first", async () => {
    const position = await conversation(3);
    const store = await open();
    expect([await store.awaitCaughtUp(asPosition(position), 60_000), store.replaced]).toEqual([true, false]);
    await store.close();
    const older = (change = "select 1"): void => {
      const db = new Database(files.path);
      db.pragma(`user_version = ${viewsVersion - 1}`);
      db.exec(change);
      db.close();
    };
    older("alter table messages drop column mentions; update checkpoint set position = position + 1");
    await expect(open()).rejects.toThrow(/beyond the log's end.*look at it first/);
    older("update checkpoint set position = position - 1");
    await expect(open("e2")).rejects.toThrow(/another incarnation of the log.*look at it first/);
    const again = await open();
    expect(again.replaced).toBe(true);
    expect(await again.awaitCaughtUp(asPosition(position), 60_000)).toBe(true);
    expect(await again.store.reads.summaries("bob", ["g_one"])).toHaveLength(1);
    await again.close();
    expect((await open()).replaced).toBe(false);
  });

  it("its files are for its owner alone", async () => {
    await open();
    for (const suffix of ["", "-wal"]) expect(statSync(files.path + suffix).mode & 0o777).toBe(0o600);
  });
});
