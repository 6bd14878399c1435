/** Seeded corruption of every kind, in a copy of a log: found by Parley and by docs/examples/verify.py, with the position. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/audit/tree/finding.js";
import { asPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { verifyFile, verifyTarget } from "../../src/operate/tree/verify.js";
import { randomFrom } from "../kit/random.js";
import { isHead, makeSignedLog, writeExport, type SignedLog } from "../kit/signed-log.js";

const python = fileURLToPath(new URL("../../docs/examples/verify.py", import.meta.url));

describe("a log that was changed", () => {
  const root = mkdtempSync(join(tmpdir(), "parley-tree-"));
  const [key, heads] = [join(root, "key.pem"), join(root, "heads.ndjson")];
  let log: SignedLog;
  let other: SignedLog;
  let copies = 0;

  beforeAll(async () => {
    // Three heads of some hundred events each, and a tail that no head covers.
    [log, other] = [
      await makeSignedLog(join(root, "log"), [300, 280, 310, 9]),
      await makeSignedLog(join(root, "other"), [300, 280, 310, 9]),
    ];
    writeFileSync(key, log.publicKey);
    writeFileSync(heads, log.heads.map((head) => `${JSON.stringify(head)}\n`).join(""));
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  /** The three verifiers over these events; the directory keeps the tree's hashes, as a copy of a server's does. */
  const verifiedBy = async (events: readonly RecordedEvent[], { witness = false, of = log } = {}) => {
    const file = join(root, `${(copies += 1)}.ndjson`);
    writeExport(file, events);
    const dir = join(root, String(copies));
    cpSync(of.dir, dir, { recursive: true });
    replaceEvents(join(dir, "log.db"), events);
    const options = { publicKeyFiles: [key], ...(witness ? { headsFile: heads } : {}) };
    const [byDirectory, byFile, byPython] = await Promise.all([
      verifyTarget({ profile: "embedded", dir }, options),
      verifyFile(file, options),
      runPython([file, key, ...(witness ? [heads] : [])]),
    ]);
    return { byDirectory: byDirectory.finding, byFile: byFile.finding, byPython };
  };
  type Verified = Awaited<ReturnType<typeof verifiedBy>>;

  const expectWithin = (finding: Pick<Finding, "position" | "to"> | undefined, position: number): void => {
    expect(finding).toBeDefined();
    expect(finding?.position).toBeLessThanOrEqual(position);
    expect(finding?.to).toBeGreaterThanOrEqual(position);
  };
  const expectFoundAt = ({ byDirectory, byFile, byPython }: Verified, position: number): void => {
    expect(byDirectory).toMatchObject({ position, to: position });
    expectWithin(byFile, position);
    expectWithin(byPython, position);
    // Between two heads: never the whole log.
    expect((byFile?.to ?? 0) - (byFile?.position ?? 0)).toBeLessThan(330);
  };
  /** An event of the second span that is no head. */
  const chosen = (): RecordedEvent => {
    const event = log.events[320 + random.int(200)];
    if (event === undefined) throw new Error("no such event");
    return event;
  };
  const random = randomFrom(1);
  const at = (event: RecordedEvent): number => log.events.indexOf(event);
  const replaced = (event: RecordedEvent, by: readonly RecordedEvent[]) =>
    renumbered(log.events.toSpliced(at(event), 1, ...by));

  it("passes all three when it was not changed, with a witness and without", async () => {
    for (const witness of [false, true])
      expect(await verifiedBy(log.events, { witness })).toEqual({
        byDirectory: undefined,
        byFile: undefined,
        byPython: undefined,
      });
  });

  it("is found by a flipped byte", async () => {
    const event = chosen();
    const flipped = { ...event, data: event.data.replace('"index":', '"indey":') };
    expectFoundAt(await verifiedBy(replaced(event, [flipped])), event.position);
  });

  it("is found by a removed event", async () => {
    const event = chosen();
    expectFoundAt(await verifiedBy(log.events.toSpliced(at(event), 1)), event.position);
  });

  it("is found by a removed event whose place was closed", async () => {
    const event = chosen();
    expectFoundAt(await verifiedBy(replaced(event, [])), event.position);
  });

  it("is found by an inserted event", async () => {
    const event = chosen();
    const inserted = { ...event, id: randomUUID(), stream: "receipts-g_9", revision: event.revision };
    expectFoundAt(await verifiedBy(replaced(event, [inserted, event])), event.position);
  });

  it("is found by two events in each other's place", async () => {
    const event = chosen();
    const next = log.events[at(event) + 1];
    if (next === undefined) throw new Error("no such event");
    const swapped = log.events.toSpliced(at(event), 2, next, event);
    expectFoundAt(await verifiedBy(renumbered(swapped)), event.position);
  });

  it("is found by another date", async () => {
    const event = chosen();
    const redated = { ...event, meta: event.meta.replace(/"at":\d+/, '"at":1500000000000') };
    expectFoundAt(await verifiedBy(replaced(event, [redated])), event.position);
  });

  it("is found by its missing end, with a witness or by the hashes that were kept", async () => {
    const cut = log.events.slice(0, -100);
    const [last] = cut.slice(-1);
    const next = (last?.position ?? 0) + 1;
    const { byDirectory, byFile, byPython } = await verifiedBy(cut, { witness: true });
    for (const finding of [byDirectory, byFile, byPython]) expect(finding?.position).toBe(next);
    const alone = await verifiedBy(cut);
    expect(alone.byDirectory).toMatchObject({ kind: "truncated", position: next });
    // A beginning of a log is one that nobody can tell from a log.
    expect([alone.byFile, alone.byPython]).toEqual([undefined, undefined]);
  });

  it("is found by a head that was written anew", async () => {
    const head = log.events.filter(isHead)[1];
    if (head === undefined) throw new Error("no head");
    for (const [from, to] of [
      [/"size":\d+/, '"size":500'],
      [/"root":"../, '"root":"00'],
      [/"epoch":"../, '"epoch":"00'],
    ] as const) {
      const { byDirectory, byFile, byPython } = await verifiedBy(
        replaced(head, [{ ...head, data: head.data.replace(from, to) }]),
      );
      for (const finding of [byDirectory, byFile, byPython])
        expect(finding).toMatchObject({ position: head.position, to: head.position });
    }
  });

  it("is found when all of it was written anew and signed with another key, by the key or by a witness", async () => {
    const { byDirectory, byFile, byPython } = await verifiedBy(other.events, { of: other });
    const named = other.events.find(({ type }) => type === "TreeKeyAdded");
    for (const finding of [byDirectory, byFile])
      expect(finding).toMatchObject({ kind: "key", position: named?.position });
    expect(byPython?.position).toBe(other.events.find(isHead)?.position);
    // Also when nobody knows the key: somebody knows a head.
    const file = join(root, "other.ndjson");
    writeExport(file, other.events);
    expectWithin((await verifyFile(file, { headsFile: heads })).finding, 2);
    // And without either nothing can be said against it.
    expect((await verifyFile(file, {})).finding).toBeUndefined();
  });

  it("is found by a change in what no head covers, by the hashes that were kept alone", async () => {
    const event = log.events.at(-3);
    if (event === undefined) throw new Error("no such event");
    const flipped = { ...event, data: event.data.replace('"index":', '"indey":') };
    const { byDirectory, byFile } = await verifiedBy(replaced(event, [flipped]));
    expect(byDirectory).toMatchObject({ kind: "event", position: event.position });
    expect(byFile).toBeUndefined();
  });

  it("is found though the hashes that were kept are damaged as well: the span then, not the event", async () => {
    const event = chosen();
    const flipped = { ...event, data: event.data.replace('"index":', '"indey":') };
    for (const damage of [noFile, damagePages, oneTile] as const) {
      const dir = join(root, `damaged-${damage.name}`);
      cpSync(log.dir, dir, { recursive: true });
      replaceEvents(join(dir, "log.db"), replaced(event, [flipped]));
      damage(join(dir, "tree.db"));
      const { finding } = await verifyTarget({ profile: "embedded", dir }, { publicKeyFiles: [key] });
      expectWithin(finding, event.position);
      expect(finding?.position).not.toBe(finding?.to);
    }
  });

  it("follows a key that was rotated, from either of the two", async () => {
    const rotated = await makeSignedLog(join(root, "rotated"), [20, 20, 5], { rotateAfter: 0 });
    const file = join(root, "rotated.ndjson");
    writeExport(file, rotated.events);
    const first = join(root, "first.pem");
    writeFileSync(first, rotated.publicKey);
    expect(await verifyFile(file, { publicKeyFiles: [first] })).toMatchObject({ heads: 2, keys: 2 });
    expect((await verifyFile(file, { publicKeyFiles: [first] })).finding).toBeUndefined();
    // A head that the old key signs after it was replaced is none.
    expect((await verifyFile(file, { publicKeyFiles: [key] })).finding).toMatchObject({ kind: "key" });
  });
});

const renumbered = (events: readonly RecordedEvent[]): RecordedEvent[] =>
  events.map((event, index) => ({ ...event, position: asPosition(index + 1) }));

/** As someone does who may write the file, and leaves its index alone. */
const replaceEvents = (path: string, events: readonly RecordedEvent[]): void => {
  const db = new Database(path);
  db.exec("delete from events");
  const streamId = db.prepare<[string], number>("select id from streams where name = ?").pluck();
  const add = db.prepare("insert into streams (name) values (?)");
  const insert = db.prepare("insert into events values (?, ?, ?, 1, ?, ?, ?, ?)");
  db.transaction(() => {
    for (const { position, stream, revision, id, type, data, meta } of events) {
      if (streamId.get(stream) === undefined) add.run(stream);
      insert.run(position, streamId.get(stream), revision, id, type, data, meta);
    }
  })();
  db.close();
};

const noFile = (path: string): void => {
  writeFileSync(path, "no file of SQLite's");
};
/** All but the first page, which says that it is a file of SQLite's and of which schema. */
const damagePages = (path: string): void => {
  writeFileSync(path, readFileSync(path).fill(0xa5, 4_096));
};
/** One that the root of what was signed is not computed from: it is missed only when its leaves are asked for. */
const oneTile = (path: string): void => {
  const db = new Database(path);
  db.exec("update tiles set bytes = zeroblob(length(bytes)) where level = 0 and tile = 1");
  db.close();
};

const runPython = (args: readonly string[]): Promise<{ readonly position: number; readonly to: number } | undefined> =>
  new Promise((resolve, reject) => {
    execFile("python3", [python, ...args], (error, out, err) => {
      const [, position, to] = /^WRONG from position (\d+) to (\d+)/.exec(out) ?? [];
      if (error === null && out.startsWith("all that is signed")) resolve(undefined);
      else if (position !== undefined) resolve({ position: Number(position), to: Number(to) });
      else reject(new Error(`${out}${err}`));
    });
  });
