import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { connect, Events, headers, type NatsConnection } from "nats";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";
import {
  openJetStreamQueue,
  type JetStreamQueue,
  type JetStreamQueueOptions,
} from "../../../../src/infra/work-queue/jetstream/work-queue.js";
import { workQueueContract, type QueueSettings } from "../../../contract/work-queue.contract.js";
import { engine } from "../../../kit/engines.js";
import { mayStartServers } from "../../../kit/own-servers.js";
import { stablePort } from "../../../kit/ports.js";

const nats = engine("PARLEY_NATS_URL");
const compiled = new URL("../../../../dist/src/infra/work-queue/jetstream/work-queue.js", import.meta.url).href;
const client = pathToFileURL(createRequire(import.meta.url).resolve("nats")).href;
const cache = process.env.PARLEY_SERVERS_CACHE ?? join(homedir(), ".cache", "parley-servers");
const binary = process.env.PARLEY_NATS_SERVER ?? join(cache, "bin", "nats-server");

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
const directory = (): string => {
  const path = mkdtempSync(join(tmpdir(), "parley-nats-"));
  cleanups.push(() => rm(path, { recursive: true, force: true }));
  return path;
};
const connected = async (url: string): Promise<NatsConnection> => {
  const connection = await connect({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 20,
  });
  cleanups.push(() => connection.close());
  return connection;
};
const names = new Set<string>();
const newName = (): string => {
  const name = `test_${randomUUID()}`;
  names.add(name);
  return name;
};
/** A queue that still consumes makes its streams again when a test deletes them: they go when all are closed. */
afterAll(async () => {
  if (nats === undefined) return;
  const connection = await connect({ servers: new URL(nats).host });
  const manager = await connection.jetstreamManager();
  for await (const { config } of manager.streams.list())
    if (names.has(config.name.replace(/_DEAD$/, ""))) await manager.streams.delete(config.name);
  await connection.close();
});
const until = (condition: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(condition, { timeout: 60_000, interval: 20 });
/** Small enough for a server that other suites share: JetStream reserves what a stream may hold. */
const bounds = { jobsMax: 10_000, bytesMax: 16_000_000 };
const openQueue = async (
  connection: NatsConnection,
  options: Partial<JetStreamQueueOptions> = {},
): Promise<JetStreamQueue> => {
  const queue = await openJetStreamQueue({
    connection,
    name: newName(),
    ...bounds,
    visibilityMs: 1_000,
    backoffMs: () => 0,
    onProblem: () => undefined,
    ...options,
  });
  cleanups.push(() => queue.close());
  return queue;
};
const forget = async (connection: NatsConnection, name: string): Promise<void> => {
  const manager = await connection.jetstreamManager();
  await manager.streams.delete(name);
  await manager.streams.delete(`${name}_DEAD`);
};

/** Takes one job of the queue in a process of its own, which is killed as soon as it has it. */
const takeAndDie = async (url: string, name: string, settings: object): Promise<void> => {
  const script = join(directory(), "child.mjs");
  writeFileSync(
    script,
    `import nats from ${JSON.stringify(client)};
     import { openJetStreamQueue } from ${JSON.stringify(compiled)};
     const connection = await nats.connect({ servers: ${JSON.stringify(url)} });
     const settings = ${JSON.stringify({ name, ...bounds, deduplicateMs: 60_000, ...settings })};
     const onProblem = (error) => console.error(error);
     const queue = await openJetStreamQueue({ ...settings, connection, backoffMs: () => 0, onProblem });
     queue.consume(() => { console.log("taken"); return new Promise(() => {}); }, { concurrency: 1 });`,
  );
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line === "taken") child.kill("SIGKILL");
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
};

describe.skipIf(nats === undefined)("on NATS", () => {
  const url = nats ?? "";

  workQueueContract("JetStream", () => {
    const name = newName();
    const open = async (settings: QueueSettings) => {
      const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
      const queue = await openJetStreamQueue({ connection, name, ...settings });
      return { ...queue, close: () => queue.close().then(() => connection.close()) };
    };
    return Promise.resolve({
      open,
      takeAndDie: (settings) => takeAndDie(url, name, settings),
      dispose: async () => {
        await forget(await connected(url), name);
      },
    });
  });

  describe("the JetStream work queue", () => {
    it("updates what differs when it is opened, and keeps the jobs", async () => {
      const [connection, name] = [await connected(url), newName()];
      const before = await openQueue(connection, { name });
      await before.enqueue([{ id: "a", payload: "" }]);
      await openQueue(connection, { name, visibilityMs: 7_000, jobsMax: 77, deduplicateMs: 9_000 });
      const manager = await connection.jetstreamManager();
      const { config, state } = await manager.streams.info(name);
      const consumer = await manager.consumers.info(name, "workers");
      expect(config).toMatchObject({ max_msgs: 77, duplicate_window: 9_000_000_000, retention: "workqueue" });
      expect(state.messages).toBe(1);
      expect(consumer.config).toMatchObject({ ack_wait: 7_000_000_000, max_deliver: -1, ack_policy: "explicit" });
      expect(consumer.config.backoff).toBeUndefined();
      await forget(connection, name);
    });

    it("refuses a name that JetStream would not take, and a stream that is something else", async () => {
      const [connection, name] = [await connected(url), newName()];
      await expect(openQueue(connection, { name: "a.b" })).rejects.toThrow(RangeError);
      const manager = await connection.jetstreamManager();
      await manager.streams.add({ name, subjects: [`${name}.jobs`] });
      await expect(openQueue(connection, { name })).rejects.toThrow(/retention policy/);
      await manager.streams.delete(name);
    });

    it("does others while more jobs wait for their retry than a consumer of JetStream's may hold by default", async () => {
      const [connection, name] = [await connected(url), newName()];
      const queue = await openQueue(connection, { name, visibilityMs: 60_000 });
      let waiting = 0;
      const done: string[] = [];
      queue.consume(
        ({ id }) => {
          if (id.startsWith("w")) return Promise.resolve({ kind: "retry", afterMs: 3_600_000 * ++waiting });
          done.push(id);
          return Promise.resolve({ kind: "done" });
        },
        { concurrency: 8 },
      );
      await queue.enqueue(Array.from({ length: 1_200 }, (_, i) => ({ id: `w${i}`, payload: "" })));
      await queue.enqueue([{ id: "other", payload: "" }]);
      await until(() => {
        expect(done).toEqual(["other"]);
      });
      expect(waiting).toBe(1_200);
      await forget(connection, name);
    });

    it("takes what somebody else published for a job, rather than leave it there for ever", async () => {
      const [connection, name] = [await connected(url), newName()];
      const queue = await openQueue(connection, { name, attemptsMax: 1 });
      const strange = headers();
      strange.set("Parley-Job", "{");
      await connection.jetstream().publish(`${name}.jobs`, "strange", { headers: strange });
      queue.consume(({ payload }) => Promise.reject(new Error(`cannot read ${payload}`)), { concurrency: 1 });
      await until(async () => {
        expect(await queue.stats()).toEqual({ waiting: 0, dead: 1 });
      });
      const [dead] = await queue.dead({ limit: 1 });
      expect(dead).toMatchObject({ id: "message 1 without a job's header", payload: "strange" });
      await forget(connection, name);
    });

    it("makes its streams again when they were deleted under it", async () => {
      const [connection, name] = [await connected(url), newName()];
      const queue = await openQueue(connection, { name });
      const done: string[] = [];
      queue.consume(
        ({ id }) => {
          done.push(id);
          return Promise.resolve({ kind: "done" });
        },
        { concurrency: 2 },
      );
      await queue.enqueue([{ id: "a", payload: "" }]);
      await until(() => {
        expect(done).toEqual(["a"]);
      });
      await forget(connection, name);
      await queue.enqueue([{ id: "b", payload: "" }]);
      await until(() => {
        expect(done).toEqual(["a", "b"]);
      });
      expect(await queue.dead({ limit: 1 })).toEqual([]);
      await queue.close();
      await forget(connection, name);
    });
  });
});

/** A client of version 2 that is closed between the server's end and its own noticing throws where nobody can catch it. */
const disconnected = async (connection: NatsConnection): Promise<void> => {
  for await (const { type } of connection.status()) if (type === Events.Disconnect) return;
};

/** A server of this test's own, to be killed; the same port and storage whenever it is started. */
const startServer = async () => {
  const storage = directory();
  const port = await stablePort();
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    child = undefined;
    await exited;
  };
  const start = async (): Promise<void> => {
    child = spawn(binary, ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", storage], { stdio: "ignore" });
    await until(async () => {
      const probe = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, timeout: 1_000 });
      await probe.jetstreamManager().finally(() => probe.close());
    });
  };
  cleanups.push(kill);
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    start,
    kill,
    wipe: () => {
      rmSync(storage, { recursive: true, force: true });
    },
  };
};

describe.skipIf(nats === undefined || !mayStartServers)("on a NATS server that is killed", () => {
  const jobs = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ id: `${prefix}${i}`, payload: `${i}` }));
  /** Repeats the identical call, as the port asks for. */
  const enqueueAll = (queue: JetStreamQueue, all: ReturnType<typeof jobs>): Promise<void> =>
    until(() => queue.enqueue(all));

  it("has every job after kill -9, and goes on with the same consumer", async () => {
    const server = await startServer();
    const queue = await openQueue(await connected(server.url));
    await queue.enqueue(jobs("before", 300));
    await server.kill();
    await expect(queue.enqueue(jobs("while", 1))).rejects.toThrow(StoreUnavailable);
    await expect(queue.stats()).rejects.toThrow(StoreUnavailable);
    await server.start();
    const done = new Set<string>();
    queue.consume(
      ({ id }) => {
        done.add(id);
        return Promise.resolve({ kind: "done" });
      },
      { concurrency: 4 },
    );
    await enqueueAll(queue, jobs("after", 20));
    await until(async () => {
      expect((await queue.stats()).waiting).toBe(0);
    });
    expect(done.size).toBeGreaterThanOrEqual(320);

    await server.kill();
    await server.start();
    await enqueueAll(queue, jobs("again", 20));
    await until(() => {
      for (const { id } of [...jobs("before", 300), ...jobs("after", 20), ...jobs("again", 20)])
        expect(done.has(id)).toBe(true);
    });
  });

  it("keeps attempts and dead letters over kill -9, and hears of a job that ended meanwhile", async () => {
    const server = await startServer();
    const queue = await openQueue(await connected(server.url), { attemptsMax: 3 });
    const seen: string[] = [];
    let end = (): void => undefined;
    const restarted = new Promise<void>((resolve) => (end = resolve));
    queue.consume(
      async ({ id }, attempt) => {
        seen.push(`${id} ${attempt}`);
        if (id === "bad") return { kind: "dead", reason: "bad" };
        if (id === "twice" && attempt === 1) return { kind: "retry", afterMs: 5_000 };
        if (id === "long") await restarted;
        return { kind: "done" };
      },
      { concurrency: 3 },
    );
    await queue.enqueue(["bad", "twice", "long"].map((id) => ({ id, payload: "" })));
    await until(async () => {
      expect((await queue.stats()).dead).toBe(1);
      expect(seen).toHaveLength(3);
    });
    await server.kill();
    end();
    await server.start();
    await until(async () => {
      expect(await queue.stats()).toEqual({ waiting: 0, dead: 1 });
    });
    expect(seen).toContain("twice 2");
    expect((await queue.dead({ limit: 2 })).map(({ id }) => id)).toEqual(["bad"]);
  });

  it("goes on without anybody's help when the server has lost its storage", async () => {
    const server = await startServer();
    const queue = await openQueue(await connected(server.url));
    const done = new Set<string>();
    queue.consume(
      ({ id }) => {
        done.add(id);
        return Promise.resolve({ kind: "done" });
      },
      { concurrency: 4 },
    );
    await queue.enqueue(jobs("before", 10));
    await until(() => {
      expect(done.size).toBe(10);
    });
    await server.kill();
    server.wipe();
    await server.start();
    await enqueueAll(queue, jobs("after", 10));
    await until(() => {
      expect(done.size).toBe(20);
    });
    expect(await queue.dead({ limit: 1 })).toEqual([]);
  });

  it("stops, and opens, while the server is away", async () => {
    const server = await startServer();
    const connection = await connected(server.url);
    const queue = await openQueue(connection);
    const consumer = queue.consume(() => Promise.resolve({ kind: "done" }), { concurrency: 4 });
    await queue.stats();
    const gone = disconnected(connection);
    await server.kill();
    await Promise.all([consumer.stop(), gone]);
    // Opened while it is away, it works as soon as it is there.
    const problems: Error[] = [];
    const late = await openQueue(connection, { onProblem: (error) => problems.push(error) });
    expect(problems).toHaveLength(1);
    const seen: string[] = [];
    late.consume(({ id }) => Promise.resolve({ kind: "done", seen: seen.push(id) } as const), { concurrency: 1 });
    await server.start();
    await enqueueAll(late, jobs("late", 1));
    await until(() => {
      expect(seen).toEqual(["late0"]);
    });
  });
});
