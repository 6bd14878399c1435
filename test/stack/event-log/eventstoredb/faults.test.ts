/**
 * What the adapter promises when its server dies, hangs or is another one. Each test has a server process of its own:
 * the embedded log behind its gRPC port. An unhandled rejection or exception anywhere fails the run (vitest sees to it).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { LogError, type AppendResult, type EventLog } from "../../../../src/commands/ports.js";
import {
  asPosition,
  asRevision,
  firstRevision,
  noPosition,
  streamOf,
  type NewEvent,
  type RecordedEvent,
} from "../../../../src/domain/kernel/stream.js";
import {
  openEventStoreDb,
  type EventStoreDbLog,
  type EventStoreDbOptions,
} from "../../../../src/infra/event-log/eventstoredb/event-log.js";
import { stablePort } from "../../../kit/ports.js";
import { appended, collect, newEvent, newEvents, newStream } from "../../../contract/event-log.contract.js";
import { eventually } from "../../../kit/device.js";
import { settled } from "../../../kit/turns.js";

const program = fileURLToPath(new URL("../../../../dist/src/eventstore-server/process.js", import.meta.url));

type Server = { readonly url: string; readonly child: ChildProcess };
const running = new Set<ChildProcess>();
const directories: string[] = [];
const logs: EventStoreDbLog[] = [];

const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "parley-esdb-"));
  directories.push(directory);
  return directory;
};
const start = async (data: string, port = 0): Promise<Server> => {
  const child = spawn(process.execPath, [program, "--data", data, "--port", String(port), "--writable"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout }))
    return { url: (JSON.parse(line) as { url: string }).url, child };
  throw new Error("the server ended before it listened");
};
const kill = async ({ child }: Server): Promise<void> => {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  running.delete(child);
};
const portOf = ({ url }: Server): number => Number(new URL(url).port);
const open = (url: string, options: Partial<EventStoreDbOptions> = {}): EventStoreDbLog => {
  const log = openEventStoreDb({ url, ...options });
  logs.push(log);
  return log;
};
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  for (const child of running) child.kill("SIGKILL");
  running.clear();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** As the retry loop does it: the identical append until it is definite; here also while there is no server. */
const insist = async (log: EventLog, ...append: Parameters<EventLog["append"]>): Promise<AppendResult> => {
  const results: AppendResult[] = [];
  const answered = async (): Promise<boolean> => {
    try {
      return results.push(await log.append(...append)) > 0;
    } catch (error) {
      if (error instanceof LogError) return false;
      throw error;
    }
  };
  await eventually(answered, "a definite answer", 120_000);
  return results[0] ?? expect.fail("no answer");
};
const idsOf = (events: readonly NewEvent[]): string[] => events.map(({ id }) => id);
const positionsOf = (events: readonly RecordedEvent[]): number[] => events.map(({ position }) => position);
const ascending = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

describe("an event store that dies", () => {
  it("loses and doubles nothing: appends are repeated, the subscription goes on where it was", async () => {
    const data = newDirectory();
    let server = await start(data);
    const log = open(server.url, { appendTimeoutMs: 1_000 });
    const live = collect(log, noPosition);
    const perWriter = 120;
    let done = 0;
    const written = await Promise.all(
      [
        ...Array.from({ length: 6 }, async () => {
          const [stream, ids] = [newStream(), [] as string[]];
          for (let i = 0; i < perWriter; i++) {
            const events = newEvents(2);
            ids.push(...idsOf(events));
            const result = await insist(log, stream, i === 0 ? "no_stream" : asRevision(2 * i - 1), events);
            expect(result).toMatchObject({ kind: "appended", revision: 2 * i + 1 });
            done += 1;
          }
          return { stream, ids };
        }),
        (async () => {
          for (const at of [100, 350]) {
            await eventually(() => done >= at, `${at} appends`, 120_000);
            await kill(server);
            server = await start(data, portOf(server));
          }
        })(),
      ].map((work) => work as Promise<{ stream: string; ids: string[] } | undefined>),
    );
    await live.until(6 * perWriter * 2);
    for (const writer of written) {
      if (writer === undefined) continue;
      expect(idsOf(await log.readStream(writer.stream, firstRevision, 1000))).toEqual(writer.ids);
      expect(idsOf(live.events.filter(({ stream }) => stream === writer.stream))).toEqual(writer.ids);
    }
    expect(live.events).toHaveLength(6 * perWriter * 2);
    expect(positionsOf(live.events)).toEqual(ascending(positionsOf(live.events)));
    live.stop();
  });

  it("is unavailable, with a reason, while it is away, and needs no help when it is back", async () => {
    const data = newDirectory();
    const server = await start(data);
    const problems: Error[] = [];
    const log = open(server.url, { onProblem: (error) => problems.push(error) });
    const live = collect(log, noPosition);
    await appended(log.append(newStream(), "no_stream", newEvents(1)));
    await live.until(1);
    await kill(server);
    const stream = newStream();
    await expect(log.append(stream, "no_stream", newEvents(1))).rejects.toMatchObject({
      code: expect.any(String) as string,
    });
    // The call that broke is gone: from now on it is certain that nothing is sent.
    const failing = [
      () => log.append(stream, "no_stream", newEvents(1)),
      () => log.head(),
      () => log.readStream(stream, firstRevision, 1),
      () => log.ping(),
    ];
    for (const ask of failing)
      await expect(ask()).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining(`127.0.0.1:${portOf(server)} cannot be reached`) as string,
      });
    expect(log.connected()).toBe(false);
    await start(data, portOf(server));
    const isBegunAgain = () => problems.some(({ message }) => message.includes("a subscription has to begin again"));
    await eventually(isBegunAgain, "the subscription begins again", 60_000);
    expect(await insist(log, stream, "no_stream", newEvents(1))).toMatchObject({ kind: "appended", revision: 0 });
    await live.until(2);
    expect(log.connected()).toBe(true);
    // The appends that failed are told as well.
    expect(problems.filter(({ message }) => message.includes("cannot be reached")).length).toBeGreaterThan(0);
    live.stop();
  });

  it("ends a subscription whose position the store does not have: it is another log", async () => {
    const server = await start(newDirectory());
    const log = open(server.url);
    await appended(log.append(newStream(), "no_stream", newEvents(50)));
    const live = collect(log, noPosition);
    await live.until(50);
    const failed = expect(live.until(51)).rejects.toThrow("it belongs to another log");
    await kill(server);
    await start(newDirectory(), portOf(server));
    await failed;
    expect(await log.head()).toBe(0);
  });
});

describe("an event store that hangs", () => {
  it("leaves the outcome open in bounded time, and the identical repetition is there once", async () => {
    const server = await start(newDirectory());
    const log = open(server.url, { appendTimeoutMs: 300 });
    const [stream, events] = [newStream(), newEvents(3)];
    await appended(log.append(newStream(), "no_stream", newEvents(1)));
    const live = collect(log, noPosition);
    await live.until(1);
    server.child.kill("SIGSTOP");
    // More than one call's worth, so that calls are given up and new ones are opened.
    for (let i = 0; i < 3; i++)
      await expect(log.append(stream, "no_stream", events)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(log.connected()).toBe(false);
    server.child.kill("SIGCONT");
    expect(await insist(log, stream, "no_stream", events)).toMatchObject({ kind: "appended", revision: 2 });
    expect(idsOf(await log.readStream(stream, firstRevision, 10))).toEqual(idsOf(events));
    await live.until(4);
    expect(live.events).toHaveLength(4);
    live.stop();
  });
});

describe("a leader that stands still", () => {
  it("is left when it answers no ping, long before an append's own time-out, and the next node is found", async () => {
    const port = await stablePort();
    const paused = await start(newDirectory());
    // A cluster as the client sees one: it asks both which one leads.
    const url = `esdb://127.0.0.1:${portOf(paused)},127.0.0.1:${port}?tls=false`;
    const log = open(url, { appendTimeoutMs: 18_000 });
    await appended(log.append(newStream(), "no_stream", newEvents(1)));
    paused.child.kill("SIGSTOP");
    await start(newDirectory(), port);
    const [stream, events] = [newStream(), newEvents(1)];
    await expect(log.append(stream, "no_stream", events)).rejects.toThrow("has ended before it answered");
    expect(await insist(log, stream, "no_stream", events)).toMatchObject({ kind: "appended", revision: 0 });
    expect(idsOf(await log.readStream(stream, firstRevision, 1))).toEqual(idsOf(events));
  });
});

describe("a subscription", () => {
  it("holds 20,000 events for a slow subscriber, in bounded batches", async () => {
    const server = await start(newDirectory());
    const log = open(server.url);
    for (let i = 0; i < 40; i++) await appended(log.append(newStream(), "no_stream", newEvents(500)));
    const [positions, sizes]: [number[], number[]] = [[], []];
    let busy = 0;
    await new Promise<void>((resolve, reject) => {
      const subscription = log.subscribe(noPosition, {
        onEvents: async (events) => {
          busy += 1;
          expect(busy).toBe(1);
          positions.push(...positionsOf(events));
          sizes.push(events.length);
          await new Promise((done) => setTimeout(done, 5));
          busy -= 1;
          if (positions.length < 20_000) return;
          subscription.stop();
          resolve();
        },
        onFailure: reject,
      });
    });
    expect(positions).toEqual(ascending([...new Set(positions)]));
    expect(positions).toHaveLength(20_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
  });

  it("goes on from what was handled, whatever the client had ahead of it when it was stopped or lost", async () => {
    const data = newDirectory();
    let server = await start(data);
    const log = open(server.url);
    for (let i = 0; i < 4; i++) await appended(log.append(newStream(), "no_stream", newEvents(500)));
    const handled: number[] = [];
    // Never resolves its third batch: that one is not handled, though it was handed over.
    await new Promise<void>((resolve, reject) => {
      let batches = 0;
      const first = log.subscribe(noPosition, {
        onEvents: (events) => {
          batches += 1;
          if (batches < 3) {
            handled.push(...positionsOf(events));
            return undefined;
          }
          first.stop();
          resolve();
          return new Promise(() => undefined);
        },
        onFailure: reject,
      });
    });
    const rest = collect(log, asPosition(handled.at(-1) ?? 0), settled);
    await rest.until(100);
    await kill(server);
    server = await start(data, portOf(server));
    await rest.until(2000 - handled.length);
    const all = await log.readAll(undefined, 5000);
    expect([...handled, ...positionsOf(rest.events)]).toEqual(positionsOf(all));
    rest.stop();
  });

  it("sees, as reads and the head do, only Parley's streams among those of others", async () => {
    const server = await start(newDirectory());
    const log = open(server.url);
    const others = async (): Promise<void> => {
      for (let i = 0; i < 2; i++) await log.append(`others-${i}`, "any", newEvents(200));
      await log.append("parley-logbook", "any", newEvents(1));
    };
    expect(await log.head()).toBe(0);
    await others();
    expect(await log.head()).toBe(0);
    const live = collect(log, noPosition);
    const streams = [newStream(), streamOf.receipts("d_x"), streamOf.user("u"), "media-m", streamOf.log];
    for (const stream of streams) {
      await others();
      await log.append(stream, "no_stream", [newEvent()]);
    }
    await others();
    await live.until(streams.length);
    expect(live.events.map(({ stream }) => stream)).toEqual(streams);
    expect(await log.readAll(undefined, 100)).toEqual(live.events);
    expect(await log.readAll(undefined, 2)).toEqual(live.events.slice(0, 2));
    expect(await log.readAll(live.events[1]?.position, 2)).toEqual(live.events.slice(2, 4));
    expect(await log.readAll(undefined, 2, "backwards")).toEqual([live.events[4], live.events[3]]);
    expect(await log.readAll(live.events[3]?.position, 100, "backwards")).toEqual(live.events.slice(0, 3).reverse());
    for (let i = 0; i < 2; i++) {
      expect(await log.head()).toBe(live.events[4]?.position);
      await others();
    }
    live.stop();
  });
});
