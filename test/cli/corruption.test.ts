/**
 * Corruption of every kind at places that a seed chooses (PARLEY_SEED repeats it), in a copy of a log and in exports of it
 * in every packing: found by Parley and by docs/examples/verify.py, with the position.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/audit/tree/finding.js";
import { isLeaf } from "../../src/audit/canonical.js";
import { asPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { eventsOfExport } from "../../src/operate/tree/export-file.js";
import { verifyFile, verifyTarget } from "../../src/operate/tree/verify.js";
import { exportEvents, type ExportOptions } from "../../src/operate/transfer/export.js";
import { manifestPathOf, readManifest } from "../../src/operate/transfer/manifest.js";
import { randomFrom, type Random } from "../kit/random.js";
import { seed } from "../kit/seed.js";
import { isHead, makeSignedLog, writeExport, type SignedLog } from "../kit/signed-log.js";

const python = fileURLToPath(new URL("../../docs/examples/verify.py", import.meta.url));

describe(`a log that was changed (PARLEY_SEED=${seed})`, () => {
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
  const verifiedBy = async (
    events: readonly RecordedEvent[],
    { witness = false, of = log, packing = random.pick(packings) }: VerifiedByOptions = {},
  ) => {
    const dir = join(root, String((copies += 1)));
    cpSync(of.dir, dir, { recursive: true });
    replaceEvents(join(dir, "log.db"), events);
    const file = join(root, `${copies}.ndjson${packing.compression === "gzip" ? ".gz" : ""}`);
    await exportEvents({ profile: "embedded", dir }, { file, selection: {}, ...packing });
    // Python's standard library has no zstd.
    const readable = packing.compression === "zstd" || packing.encoding === "cloudevents" ? `${file}.plain` : file;
    if (readable !== file) writeExport(readable, events);
    const options = { publicKeyFiles: [key], ...(witness ? { witnessFile: heads } : {}) };
    const [byDirectory, byFile, byPython] = await Promise.all([
      verifyTarget({ profile: "embedded", dir }, options),
      verifyFile(file, options),
      runPython([readable, key, ...(witness ? [heads] : [])]),
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
  const random = randomFrom(seed);
  /** Any that a head signs and that is none of the tree's, nor followed by one. */
  const chosen = (): RecordedEvent => {
    const last = log.events.findLastIndex(isHead);
    const found = log.events.filter(
      ({ stream }, index) =>
        index < last - 1 && [stream, log.events[index + 1]?.stream].every((name) => name?.startsWith("receipts-")),
    );
    return random.pick(found);
  };
  const at = (event: RecordedEvent): number => log.events.indexOf(event);
  const replaced = (event: RecordedEvent, by: readonly RecordedEvent[]) =>
    renumbered(log.events.toSpliced(at(event), 1, ...by));

  it("passes all three when it was not changed, in every packing, with a witness and without", async () => {
    for (const packing of packings)
      expect(await verifiedBy(log.events, { witness: packing.compression === "gzip", packing })).toEqual({
        byDirectory: undefined,
        byFile: undefined,
        byPython: undefined,
      });
  });

  const kinds: Readonly<Record<string, (event: RecordedEvent) => readonly RecordedEvent[]>> = {
    "a flipped bit of its data": (event) => replaced(event, [{ ...event, data: flippedIn(event.data, random) }]),
    "a flipped bit of its metadata": (event) => replaced(event, [{ ...event, meta: flippedIn(event.meta, random) }]),
    "a removed event": (event) => log.events.toSpliced(at(event), 1),
    "a removed event whose place was closed": (event) => replaced(event, []),
    "an inserted event": (event) => replaced(event, [{ ...event, id: randomUUID(), stream: "receipts-g_9" }, event]),
    "two events in each other's place": (event) => {
      const [next] = log.events.slice(at(event) + 1);
      return renumbered(log.events.toSpliced(at(event), 2, ...(next === undefined ? [] : [next]), event));
    },
    "an event that was moved to the end": (event) => renumbered([...log.events.toSpliced(at(event), 1), event]),
    "another date": (event) =>
      replaced(event, [{ ...event, meta: event.meta.replace(/"at":\d+/, `"at":${random.int(2 ** 40)}`) }]),
    "another type": (event) => replaced(event, [{ ...event, type: "MessageSent" }]),
    "another stream": (event) => replaced(event, [{ ...event, stream: "receipts-g_8" }]),
  };
  it.each(Object.keys(kinds))("is found by %s", async (kind) => {
    for (let round = 0; round < 2; round += 1) {
      const event = chosen();
      expectFoundAt(await verifiedBy(kinds[kind]?.(event) ?? []), event.position);
    }
  });

  it("is found by a flipped bit of an export's file, in every packing", async () => {
    for (const packing of packings) {
      const file = join(root, `flipped-${packing.encoding}-${packing.compression}.gz`);
      await exportEvents({ profile: "embedded", dir: log.dir }, { file, selection: {}, ...packing });
      const whole = readFileSync(file);
      const events = await eventsIn(file);
      // The newest head's own line is signed by the next one, and what comes after it by none.
      const newestHead = whole.lastIndexOf(
        packing.encoding === "ndjson" ? '"TreeHeadSigned"' : '"parley.TreeHeadSigned"',
      );
      const below = packing.compression === "none" ? whole.lastIndexOf(0x0a, newestHead) : whole.length;
      for (let round = 0; round < 5; round += 1) {
        const offset = random.int(below);
        const flipped = Buffer.from(whole);
        flipped[offset] = (flipped[offset] ?? 0) ^ (1 << random.int(8));
        writeFileSync(file, flipped);
        const { finding } = await verifyFile(file, { publicKeyFiles: [key] });
        // A packing has bits that say nothing.
        if (finding === undefined) expect(await eventsIn(file)).toEqual(events);
        else if (packing.compression === "none") expectWithin(finding, positionAt(whole, offset, log));
        else expectWithin(finding, Math.min(finding.to, log.events.at(-1)?.position ?? 0));
      }
    }
  });

  it("is found by a flipped bit of an export's file by Python, packed or not", async () => {
    for (const compression of ["none", "gzip"] as const) {
      const file = join(root, `flipped-by-python.ndjson${compression === "gzip" ? ".gz" : ""}`);
      await exportEvents(
        { profile: "embedded", dir: log.dir },
        { file, selection: {}, encoding: "ndjson", compression },
      );
      const whole = readFileSync(file);
      const below =
        compression === "none" ? whole.lastIndexOf(0x0a, whole.lastIndexOf('"TreeHeadSigned"')) : whole.length;
      const events = await eventsIn(file);
      for (let round = 0; round < 4; round += 1) {
        const offset = random.int(below);
        const flipped = Buffer.from(whole);
        flipped[offset] = (flipped[offset] ?? 0) ^ (1 << random.int(8));
        writeFileSync(file, flipped);
        const finding = await runPython([file, key]);
        if (finding === undefined) expect(await eventsIn(file)).toEqual(events);
        else if (compression === "none") expectWithin(finding, positionAt(whole, offset, log));
      }
    }
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
    expectWithin((await verifyFile(file, { witnessFile: heads })).finding, 2);
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
      damage(join(dir, "tree.db"), log.events.filter(({ stream }) => isLeaf(stream)).indexOf(event));
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

type Packing = Pick<ExportOptions, "encoding" | "compression">;
const packings: readonly Packing[] = [
  { encoding: "ndjson", compression: "none" },
  { encoding: "ndjson", compression: "gzip" },
  { encoding: "ndjson", compression: "zstd" },
  { encoding: "cloudevents", compression: "gzip" },
];
type VerifiedByOptions = { readonly witness?: boolean; readonly of?: SignedLog; readonly packing?: Packing };

/** One bit of one character, which stays one of ASCII. */
const flippedIn = (text: string, random: Random): string => {
  for (;;) {
    const index = random.int(text.length);
    const code = text.charCodeAt(index);
    if (code < 0x80)
      return text.slice(0, index) + String.fromCharCode(code ^ (1 << random.int(7))) + text.slice(index + 1);
  }
};

/** Of the event in whose line the byte is. */
const positionAt = (file: Buffer, offset: number, { events }: SignedLog): number => {
  const line = file.subarray(0, offset).filter((byte) => byte === 0x0a).length;
  const exported = events.filter(({ stream }) => isLeaf(stream));
  return exported[line]?.position ?? 0;
};

const eventsIn = async (file: string): Promise<readonly unknown[]> => {
  const pages: unknown[] = [];
  const manifest = existsSync(manifestPathOf(file)) ? await readManifest(file) : undefined;
  for await (const page of eventsOfExport(file, manifest)) pages.push(...page);
  return pages;
};

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
/** The one of that leaf, which the root of what was signed need not be computed from. */
const oneTile = (path: string, leaf: number): void => {
  const db = new Database(path);
  const zero = db.prepare("update tiles set bytes = zeroblob(length(bytes)) where level = 0 and tile = ?");
  zero.run(Math.floor(leaf / 256));
  db.close();
};

const runPython = (args: readonly string[]): Promise<{ readonly position: number; readonly to: number } | undefined> =>
  new Promise((resolve, reject) => {
    execFile("python3", [python, ...args], (error, out, err) => {
      const [, position, to] = /^WRONG from position (\d+) to (\d+)/.exec(err) ?? [];
      if (error === null && out.startsWith("all that is signed")) resolve(undefined);
      else if (position !== undefined) resolve({ position: Number(position), to: Number(to) });
      else reject(new Error(`${out}${err}`));
    });
  });
