import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openLogCore } from "../../../../src/infra/event-log/sqlite/log-core.js";
import { openForWriting } from "../../../../src/infra/event-log/sqlite/schema.js";
import { openSqliteLog, type SqliteLog } from "../../../../src/infra/event-log/sqlite/event-log.js";
import { openSqliteLogReader } from "../../../../src/infra/event-log/sqlite/file-reader.js";
import {
  appended,
  collect,
  eventLogContract,
  newEvent,
  newEvents,
  newStream,
} from "../../../contract/event-log.contract.js";
import { asPosition, asRevision, firstRevision, noPosition, noRevision } from "../../../../src/domain/kernel/stream.js";
import { settled } from "../../../kit/turns.js";

const directories: string[] = [];
const logs: SqliteLog[] = [];
const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "parley-log-"));
  directories.push(directory);
  return join(directory, "log.db");
};
const open = async (path = newPath(), options: Parameters<typeof openSqliteLog>[1] = {}): Promise<SqliteLog> => {
  const log = await openSqliteLog(path, options);
  logs.push(log);
  return log;
};
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

eventLogContract("SQLite", async () => {
  const path = newPath();
  let log = await openSqliteLog(path);
  const reopen = async (): Promise<SqliteLog> => {
    await log.close();
    return (log = await openSqliteLog(path));
  };
  return { log, reopen, close: () => log.close() };
});

it("calls back, and answers at the end what waits behind a commit in flight", async () => {
  const log = await open();
  expect(log.appendThen).toBeDefined();
  const stream = newStream();
  const inFlight = log.append(stream, "no_stream", newEvents(1));
  await settled();
  const waiting = log.append(stream, firstRevision, newEvents(1));
  await log.close();
  expect((await appended(inFlight)).revision).toBe(0);
  expect((await appended(waiting)).revision).toBe(1);
});

describe("the file", () => {
  it("is synced at every commit, also when it is opened again, and nobody else's to read", async () => {
    const path = newPath();
    for (let i = 0; i < 2; i++) {
      const db = openForWriting(path);
      expect(db.pragma("synchronous", { simple: true })).toBe(2);
      expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
      db.close();
    }
    const log = await open(path);
    await log.append(newStream(), "no_stream", newEvents(1));
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
  });

  it("is refused with a reason when it is no log of this format or cannot be opened", async () => {
    const path = newPath();
    const db = openForWriting(path);
    db.pragma("user_version = 99");
    db.close();
    await expect(openSqliteLog(path)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(openSqliteLog(path)).rejects.toThrow(/written by a newer Parley.*99/);
    await expect(openSqliteLog("/nowhere/log.db")).rejects.toThrow("/nowhere/log.db (the log) cannot be opened");
  });
});

describe("the lagging index", () => {
  it("changes nothing that any reader sees, caught up in any state or opened again in between", async () => {
    const path = newPath();
    let core = openLogCore(path);
    const streams = [newStream(), newStream(), newStream()];
    const ids: string[][] = [[], [], []];
    const add = (): void => {
      const batch = Array.from({ length: 700 }, (_, i) => {
        const which = i % 3;
        const { id, type, data, meta } = newEvent();
        const expected = which === 2 ? -2 : (ids[which]?.length ?? 0) - 1;
        ids[which]?.push(id);
        return [streams[which] ?? "", expected, 1, id, type, data, meta];
      });
      core.commit(batch);
    };
    const read = (which: number, from: number, direction: "forwards" | "backwards") =>
      core
        .read({ stream: streams[which] ?? "", from: asRevision(from), count: 10_000, direction })
        .filter((_, i) => i % 7 === 3);
    const reader = openSqliteLogReader(path);
    const check = async (): Promise<void> => {
      for (const [which, known] of ids.entries()) {
        expect(read(which, 0, "forwards")).toEqual(known);
        expect((await reader.readStream(streams[which] ?? "", firstRevision, 10_000)).map(({ id }) => id)).toEqual(
          known,
        );
        expect(read(which, 100, "forwards")).toEqual(known.slice(100));
        expect(read(which, -1, "backwards")).toEqual([...known].reverse());
        expect(read(which, 100, "backwards")).toEqual(known.slice(0, 101).reverse());
      }
      // Known as duplicates, from the index and from memory alike.
      for (const [which, at] of [
        [0, 3],
        [1, 200],
        [2, 5],
        [2, -1],
        [0, -1],
      ] as const) {
        const id = ids[which]?.at(at) ?? "";
        const revision = ids[which]?.indexOf(id) ?? -1;
        const [kind, found] = core.commit([
          [streams[which] ?? "", which === 2 ? -2 : revision - 1, 1, id, "T", "{}", "{}"],
        ]);
        expect([kind, found]).toEqual([1, revision]);
      }
    };
    add();
    await check();
    core.maintain(true); // below the idle threshold
    add();
    core.maintain(true);
    await check();
    add();
    await check();
    core.close();
    core = openLogCore(path);
    await check();
    add();
    await check();
    reader.close();
    core.close();
  });
});

describe("the reader in another thread", () => {
  it("reads what the writer has committed, both ways, and follows when it is woken", async () => {
    const path = newPath();
    const log = await open(path);
    const [stream, reader] = [newStream(), openSqliteLogReader(path)];
    expect(await reader.head()).toBe(0);
    const follower: number[] = [];
    reader.subscribe(noPosition, {
      onEvents: (events) => void follower.push(...events.map(({ position }) => position)),
      onFailure: (error) => expect.fail(error.message),
    });
    for (let i = 0; i < 4; i++) {
      await log.append(newStream(), "no_stream", newEvents(400));
      await log.append(stream, asRevision(i - 1), newEvents(1));
      reader.wake();
      expect(await reader.readStream(stream, firstRevision, 10)).toEqual(
        await log.readStream(stream, firstRevision, 10),
      );
      expect(await reader.readStream(stream, noRevision, 2, "backwards")).toEqual(
        await log.readStream(stream, noRevision, 2, "backwards"),
      );
    }
    expect(await reader.readAll(undefined, 3, "backwards")).toEqual(await log.readAll(undefined, 3, "backwards"));
    await expect.poll(() => follower.length).toBe(1604);
    expect(follower).toEqual(Array.from({ length: 1604 }, (_, i) => i + 1));
    reader.close();
  });
});

describe("a subscription from a position that the log has not reached", () => {
  it("begins right after it, even in the middle of an append", async () => {
    const log = await open();
    const live = collect(log, asPosition(1));
    await log.append(newStream(), "no_stream", newEvents(3));
    await log.append(newStream(), "no_stream", newEvents(1));
    await live.until(3);
    expect(live.events.map(({ position }) => position)).toEqual([2, 3, 4]);
  });
});

describe("its queue", () => {
  it("refuses above its bounds, having written nothing, and accepts again when it has drained", async () => {
    for (const bounds of [{ queueEventsMax: 5 }, { queueBytesMax: 300 }]) {
      const log = await open(newPath(), bounds);
      const stream = newStream();
      const answers = await Promise.allSettled(
        Array.from({ length: 8 }, () => log.append(stream, "any", newEvents(1))),
      );
      const refused = answers.filter((answer) => answer.status === "rejected");
      expect(refused.length).toBeGreaterThan(2);
      for (const { reason } of refused) expect(reason).toMatchObject({ code: "UNAVAILABLE" });
      expect(await log.readStream(stream, firstRevision, 100)).toHaveLength(8 - refused.length);
      await appended(log.append(stream, "any", newEvents(1)));
      expect(log.stats()).toMatchObject({ queueDepth: 0, queueBytes: 0, eventsAppended: 9 - refused.length });
    }
  });

  it("commits together what waits together, and publishes it before it answers", async () => {
    const log = await open();
    const order: string[] = [];
    log.subscribe("head", { onEvents: () => void order.push("published"), onFailure: () => undefined });
    const appends = Array.from({ length: 100 }, () => log.append(newStream(), "no_stream", newEvents(1)));
    await Promise.all(appends.map((append) => append.then(() => order.push("answered"))));
    expect(log.stats().commits).toBeLessThan(5);
    expect(order[0]).toBe("published");
  });

  it("refuses appends without events and with an id twice as the defects that they are", async () => {
    const log = await open();
    const event = newEvent();
    await expect(log.append(newStream(), "any", [])).rejects.toThrow(RangeError);
    await expect(log.append(newStream(), "any", [event, event])).rejects.toThrow(RangeError);
  });

  it("makes what it has accepted durable before it closes, and refuses what comes later", async () => {
    const path = newPath();
    const log = await open(path);
    const accepted = Array.from({ length: 50 }, () => log.append(newStream(), "no_stream", newEvents(1)));
    const closed = log.close();
    await expect(log.append(newStream(), "no_stream", newEvents(1))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect((await Promise.all(accepted)).every(({ kind }) => kind === "appended")).toBe(true);
    await closed;
    expect(await (await open(path)).head()).toBe(50);
  });
});

describe("a failed commit", () => {
  /** Real failures inside SQLite, made by another connection: an insert that is refused, and a COMMIT that is. */
  const sabotage = {
    insert: "create trigger t before insert on events when new.type = 'Bad' begin select raise(abort, 'no disk'); end;",
    commit: `
      create table parents (id integer primary key);
      create table children (id integer references parents (id) deferrable initially deferred);
      create trigger t after insert on events when new.type = 'Bad' begin insert into children values (1); end;`,
  };

  it.each(["insert", "commit"] as const)("stops the log for good (%s)", async (what) => {
    const path = newPath();
    const log = await open(path);
    await log.append(newStream(), "no_stream", newEvents(3));
    const db = openForWriting(path);
    db.exec(sabotage[what]);
    db.close();
    const subscriber = new Promise<Error>((onFailure) =>
      log.subscribe("head", { onEvents: () => expect.fail(), onFailure }),
    );

    const together = [
      log.append(newStream(), "no_stream", newEvents(1)),
      log.append(newStream(), "no_stream", [{ ...newEvent(), type: "Bad" }]),
    ];
    for (const append of together) await expect(append).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await log.failed).toMatchObject({ code: "UNAVAILABLE" });
    expect((await subscriber).message).toContain("the log has stopped");
    await expect(log.append(newStream(), "no_stream", newEvents(1))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(log.readAll(undefined, 1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await log.close();

    const again = await open(path);
    expect(await again.head()).toBe(3);
    await appended(again.append(newStream(), "no_stream", newEvents(1)));
  });

  it("says of appends that were not begun that they were not written", async () => {
    const path = newPath();
    const log = await open(path);
    const db = openForWriting(path);
    db.exec(sabotage.insert);
    db.close();
    // More than one commit's worth: the first message fails, the last was never begun.
    const bad = log.append(newStream(), "no_stream", [{ ...newEvent(), type: "Bad" }]);
    const rest = Array.from({ length: 30 }, () => log.append(newStream(), "no_stream", newEvents(100)));
    await expect(bad).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await expect(rest.at(-1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await Promise.allSettled(rest);
  });
});

describe("two writers of one file", () => {
  it("cannot write past each other: the one that has not seen the other's event stops", async () => {
    const path = newPath();
    const [one, two] = [await open(path), await open(path)];
    const live = collect(one, "head");
    await appended(one.append(newStream(), "no_stream", newEvents(1)));
    await expect(two.append(newStream(), "no_stream", newEvents(1))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await appended(one.append(newStream(), "no_stream", newEvents(1)));
    await live.until(2);
  });
});
