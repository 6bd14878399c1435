import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { beginEpoch, newestStart, openEpoch } from "../../../src/commands/epoch.js";
import { canonicalOf } from "../../../src/audit/canonical.js";
import type { EventLog } from "../../../src/commands/ports.js";
import { asPosition, noPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { openSqliteLog } from "../../../src/infra/event-log/sqlite/event-log.js";
import { openSqliteLogReader } from "../../../src/infra/event-log/sqlite/file-reader.js";
import { createPlacedAppender } from "../../../src/operate/transfer/append.js";
import { compressions } from "../../../src/operate/transfer/compression.js";
import { exportEvents, type Selection } from "../../../src/operate/transfer/export.js";
import { importEvents } from "../../../src/operate/transfer/import.js";
import { manifestPathOf, type ExportManifest } from "../../../src/operate/transfer/manifest.js";
import { verifyExport } from "../../../src/operate/transfer/verify.js";
import { lockDirectory } from "../../../src/profiles/data-directory.js";
import { logs, users } from "../../kit/arbitraries.js";
import { copyOfGolden, goldenDirectories } from "../../kit/golden-directory.js";
import { writeLongConversation } from "../../kit/log.js";
import { withSeed } from "../../kit/seed.js";

let root: string;
let made = 0;
const fresh = (name = "d"): string => join(root, `${name}-${(made += 1)}`);
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "parley-transfer-"));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const at = (dir: string) => ({ profile: "embedded", dir }) as const;
const whole = { encoding: "ndjson", compression: "gzip", selection: {} } as const;
const ids = { uuid: () => crypto.randomUUID() };

const oneByOne = ({ append }: Pick<EventLog, "append">) => ({
  open: () => ({ append, close: () => undefined }),
  atOnce: { events: 0, bytes: 0 },
  attemptsMax: 1,
});
const openLog = async (dir: string) => {
  const { release } = lockDirectory(dir);
  const log = await openSqliteLog(join(dir, "log.db"));
  return {
    log,
    close: async () => {
      await log.close();
      release();
    },
  };
};

/** A directory whose log has been started and has these events. */
const directoryOf = async (events: readonly RecordedEvent[]): Promise<string> => {
  const dir = fresh();
  const { log, close } = await openLog(dir);
  await openEpoch(log, "main", Date.now, ids);
  const appender = createPlacedAppender(oneByOne(log));
  for (const event of events) await appender.add(event);
  await appender.finish();
  await close();
  return dir;
};

const eventsIn = async (dir: string): Promise<readonly RecordedEvent[]> => {
  const reader = openSqliteLogReader(join(dir, "log.db"));
  const all = await reader.readAll(noPosition, 1_000_000);
  reader.close();
  return all.filter(({ stream }) => stream !== "parley-log");
};
const canonical = (events: readonly RecordedEvent[]) => events.map(canonicalOf);
const hashOf = (events: readonly RecordedEvent[]): string =>
  createHash("sha256")
    .update(
      canonical(events)
        .map((line) => `${line}\n`)
        .join(""),
    )
    .digest("hex");

const exported = async (dir: string, options: Partial<Parameters<typeof exportEvents>[1]> = {}) => {
  const file = fresh("export");
  const { manifest } = await exportEvents(at(dir), { ...whole, file, ...options });
  return { file, manifest };
};

/** What the first line of a state has. */
const headOf = ({ format, version, encoding, compression, selection, upTo, epoch, cell }: ExportManifest) => ({
  ...{ format, version, encoding, compression, selection, upTo, epoch, cell },
});

describe("an export", () => {
  it("of any log, in every format, becomes the same log again, with the same hash", async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        fc.constantFrom(...compressions),
        fc.constantFrom("ndjson" as const, "cloudevents" as const),
        async (log, compression, encoding) => {
          const dir = await directoryOf(log);
          const { file, manifest } = await exported(dir, { compression, encoding });
          expect(manifest).toMatchObject({ events: log.length, sha256: hashOf(log), cell: "main" });
          expect(await verifyExport(file)).toEqual({ manifest });
          const again = fresh();
          const imported = await importEvents(at(again), { file, cell: undefined });
          expect(imported).toMatchObject({ events: log.length, resumed: 0, previousEpoch: manifest.epoch });
          expect(canonical(await eventsIn(again))).toEqual(canonical(log));
          expect((await exported(again)).manifest.sha256).toBe(manifest.sha256);
        },
      ),
      withSeed({ numRuns: 10 }),
    );
  });

  it("of a directory of an older version becomes the same log again", async () => {
    for (const name of goldenDirectories) {
      const { file, manifest } = await exported(copyOfGolden(name));
      await importEvents(at(fresh()), { file, cell: "main" });
      expect(manifest.events).toBeGreaterThan(100);
    }
  });

  it("has what the selection says, whichever way it is read", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.nat(), fc.nat(), async (log, a, b) => {
        const dir = await directoryOf(log);
        const stored = await eventsIn(dir);
        const place = (n: number) => asPosition(1 + (n % (stored.length + 2)));
        const [from, to] = [place(Math.min(a, b)), place(Math.max(a, b))];
        const conversations = [
          ...new Set(stored.map(({ stream }) => stream).filter((name) => name.startsWith("conv"))),
        ];
        const some = conversations[0] ?? "conversation-none";
        const id = some.slice("conversation-".length);
        const [user] = users;
        const theirs = stored
          .filter(({ type, data }) => type === "MemberJoined" && data.includes(`"userId":"${user}"`))
          .map(({ stream }) => stream.slice("conversation-".length));
        const times = stored.map(({ meta }) => (JSON.parse(meta) as { at: number }).at);
        const [since, until] = [times[a % times.length] ?? 0, times[b % times.length] ?? 1];
        const timeOf = ({ meta }: RecordedEvent) => (JSON.parse(meta) as { at: number }).at;
        const cases: readonly (readonly [Selection, (event: RecordedEvent) => boolean])[] = [
          [{ stream: some }, ({ stream }) => stream === some],
          [{ conversation: id }, ({ stream }) => stream === some || stream === `receipts-${id}`],
          [{ type: "MessageSent" }, ({ type }) => type === "MessageSent"],
          [{ from, to }, ({ position }) => position >= from && position <= to],
          [{ since, until }, (event) => timeOf(event) >= since && timeOf(event) < until],
          [
            { user },
            ({ stream }) =>
              stream === `user-${user}` ||
              theirs.some((of) => [`conversation-${of}`, `receipts-${of}`].includes(stream)),
          ],
        ];
        for (const [selection, isWanted] of cases) {
          const { file, manifest } = await exported(dir, { selection });
          const wanted = stored.filter(isWanted);
          expect([selection, manifest.sha256]).toEqual([selection, hashOf(wanted)]);
          expect((await verifyExport(file)).problem).toBeUndefined();
        }
      }),
      withSeed({ numRuns: 10 }),
    );
  });

  it("is not written over another file, and not gone on with by other options", async () => {
    const dir = await directoryOf([]);
    const { file, manifest } = await exported(dir);
    await expect(exportEvents(at(dir), { ...whole, file })).rejects.toThrow("is there already");
    const begun = fresh("export");
    writeFileSync(`${begun}.part`, "");
    writeFileSync(`${begun}.state`, `${JSON.stringify(headOf(manifest))}\n`);
    await expect(exportEvents(at(dir), { ...whole, file: begun, compression: "zstd" })).rejects.toThrow(
      "other options",
    );
  });
});

describe("a long export", () => {
  const events = 12_000;
  let dir: string;
  let file: string;
  let manifest: ExportManifest;
  beforeAll(async () => {
    dir = fresh();
    const { log, close } = await openLog(dir);
    await openEpoch(log, "main", Date.now, ids);
    await writeLongConversation(log, "g_1", events);
    await close();
    ({ file, manifest } = await exported(dir));
  });

  it("goes on after its last whole chunk, wherever a kill has cut its files", async () => {
    expect(manifest.chunks.length).toBe(3);
    const state = [headOf(manifest), ...manifest.chunks].map((line) => `${JSON.stringify(line)}\n`).join("");
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.boolean(), async (partCut, stateCut, isTorn) => {
        const begun = fresh("export");
        cpSync(file, `${begun}.part`);
        truncateSync(`${begun}.part`, partCut % (manifest.bytes + 1));
        if (isTorn) appendFileSync(`${begun}.part`, "torn");
        writeFileSync(`${begun}.state`, state.slice(0, stateCut % (state.length + 1)));
        const { manifest: again } = await exportEvents(at(dir), { ...whole, file: begun });
        expect(again).toEqual(manifest);
        expect(readFileSync(begun).equals(readFileSync(file))).toBe(true);
        expect([existsSync(`${begun}.part`), existsSync(`${begun}.state`)]).toEqual([false, false]);
      }),
      withSeed({ numRuns: 8 }),
    );
  });

  it("that is damaged anywhere is found, with the lines among which it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (place, bits) => {
        const spoilt = spoiltCopy((bytes) => {
          bytes.writeUInt8(bytes.readUInt8(place % bytes.length) ^ bits, place % bytes.length);
          return bytes;
        });
        const { problem } = await verifyExport(spoilt);
        const before = manifest.chunks.findIndex((_, i) => startOf(i + 1) > place % manifest.bytes);
        const first = manifest.chunks.slice(0, before).reduce((sum, chunk) => sum + chunk.events, 1);
        expect(problem?.line).toBeGreaterThanOrEqual(first);
        expect(problem?.line).toBeLessThan(first + (manifest.chunks[before]?.events ?? 0));
        await expect(importEvents(at(fresh()), { file: spoilt, cell: undefined })).rejects.toThrow(
          "not what was exported",
        );
      }),
      withSeed({ numRuns: 20 }),
    );
  });
  it("that is damaged where no packing tells is found by the chunk's hash", async () => {
    const plain = await exported(dir, { compression: "none" });
    const bytes = readFileSync(plain.file);
    bytes.write("Hallo", bytes.indexOf("Hello", bytes.length >> 1));
    writeFileSync(plain.file, bytes);
    const { problem } = await verifyExport(plain.file);
    expect(problem?.says).toContain("the bytes are not those that were written");
    expect(problem?.line).toBeGreaterThan(1);
  });
  const startOf = (chunk: number) => manifest.chunks.slice(0, chunk).reduce((sum, { bytes }) => sum + bytes, 0);
  const spoiltCopy = (spoil: (bytes: Buffer) => Buffer): string => {
    const copy = fresh("export");
    writeFileSync(copy, spoil(readFileSync(file)));
    cpSync(manifestPathOf(file), manifestPathOf(copy));
    return copy;
  };

  /** By somebody who also writes the chunk's hash and counts anew. */
  const forged = (change: (lines: string[]) => void): string => {
    const copy = fresh("export");
    const lines = gunzipSync(readFileSync(file)).toString("utf8").split("\n").slice(0, -1);
    change(lines);
    const bytes = gzipSync(lines.map((line) => `${line}\n`).join(""));
    writeFileSync(copy, bytes);
    const chunk = {
      events: lines.length,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    };
    writeFileSync(manifestPathOf(copy), JSON.stringify({ ...manifest, bytes: bytes.length, chunks: [chunk] }));
    return copy;
  };
  const at99 = (lines: readonly string[], beside = 0): string => lines[99 + beside] ?? "";
  const problemIn = async (change: (lines: string[]) => void) => (await verifyExport(forged(change))).problem;

  it("that was changed with care is found by its line, or by its hash", async () => {
    expect(await problemIn(() => undefined)).toBeUndefined();
    expect(await problemIn((lines) => lines.splice(99, 1))).toMatchObject({
      line: 100,
      says: /something is missing/,
    });
    expect(await problemIn((lines) => lines.splice(99, 0, at99(lines, -1)))).toMatchObject({ line: 100 });
    expect(await problemIn((lines) => ([lines[99], lines[100]] = [at99(lines, 1), at99(lines)]))).toMatchObject({
      line: 100,
    });
    expect(await problemIn((lines) => (lines[99] = at99(lines).replace(",", ", ")))).toMatchObject({ line: 100 });
    expect((await problemIn((lines) => lines.pop()))?.says).toContain("events: ");
    expect((await problemIn((lines) => (lines[99] = at99(lines).replace("Hello", "Hallo"))))?.says).toContain("sha256");
  });

  it("needs its manifest", async () => {
    const copy = fresh("export");
    cpSync(file, copy);
    await expect(verifyExport(copy)).rejects.toThrow("copy both");
  });
});

describe("an import", () => {
  const sample = () => fc.sample(logs, { numRuns: 5, seed: 7 }).toSorted((a, b) => b.length - a.length)[0] ?? [];

  it("that was killed goes on where it was, and until then nothing starts on the log", async () => {
    const log = sample();
    const { file, manifest } = await exported(await directoryOf(log));
    for (const there of [0, 1, Math.floor(log.length / 2), log.length]) {
      const dir = fresh();
      const { log: half, close } = await openLog(dir);
      const previous = { epoch: manifest.epoch, head: manifest.upTo, events: manifest.events, sha256: manifest.sha256 };
      await beginEpoch(half, { cause: "importing", previous, by: { kind: "operator" } }, Date.now, ids);
      const appender = createPlacedAppender(oneByOne(half));
      for (const event of log.slice(0, there)) await appender.add(event);
      await appender.finish();
      await expect(openEpoch(half, "main", Date.now, ids)).rejects.toThrow("has not ended");
      await close();
      expect(await importEvents(at(dir), { file, cell: undefined })).toMatchObject({
        resumed: there,
        events: log.length,
      });
      const { log: done, close: closeDone } = await openLog(dir);
      expect(await newestStart(done)).toMatchObject({ cause: "import", home: "main", previous });
      await openEpoch(done, "main", Date.now, ids);
      await closeDone();
      expect(canonical(await eventsIn(dir))).toEqual(canonical(log));
      await expect(importEvents(at(dir), { file, cell: undefined })).rejects.toThrow(
        "this very export was imported there",
      );
    }
  });

  it("is refused where something else was written, by the line", async () => {
    const log = sample();
    const { file, manifest } = await exported(await directoryOf(log));
    const dir = fresh();
    const { log: half, close } = await openLog(dir);
    const previous = { epoch: manifest.epoch, head: manifest.upTo, sha256: manifest.sha256 };
    await beginEpoch(half, { cause: "importing", previous, by: { kind: "operator" } }, Date.now, ids);
    const [first] = log;
    await half.append(first?.stream ?? "user-a", "no_stream", [
      { id: crypto.randomUUID(), type: "Other", data: "{}", meta: "{}" },
    ]);
    await close();
    await expect(importEvents(at(dir), { file, cell: undefined })).rejects.toThrow("line 1 is");
  });

  it("is refused into a log that has events, into another cell, of parts of streams and beside a server", async () => {
    const dir = await directoryOf(sample());
    const { file } = await exported(dir);
    await expect(importEvents(at(dir), { file, cell: undefined })).rejects.toThrow("has events of its own");
    await expect(importEvents(at(fresh()), { file, cell: "other" })).rejects.toThrow("is of the cell main");
    const { file: part } = await exported(dir, { selection: { type: "MessageSent" } });
    await expect(importEvents(at(fresh()), { file: part, cell: undefined })).rejects.toThrow("parts of streams");
    const used = fresh();
    const { release } = lockDirectory(used);
    await expect(importEvents(at(used), { file, cell: undefined })).rejects.toThrow("Another Parley is using");
    release();
  });
});
