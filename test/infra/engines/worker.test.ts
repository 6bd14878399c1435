import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { callWorker, workerUrl, type WorkerClient } from "../../../src/infra/engines/worker.js";

type TestHandlers = {
  add: (a: number, b: number) => number;
  slow: (value: string, delayMs: number) => Promise<string>;
  log: () => string[];
  refuse: () => never;
  die: () => never;
  exit: () => never;
};

const source = `
import { workerData } from "node:worker_threads";
import { serveWorker } from ${JSON.stringify(new URL("../../../dist/src/infra/engines/worker.js", import.meta.url).href)};
if (workerData.broken) throw new Error("cannot start");
const done = [];
const { post } = serveWorker({
  add: (a, b) => { done.push("add"); return a + b; },
  slow: async (value, delayMs) => { await new Promise((r) => setTimeout(r, delayMs)); done.push(value); return value; },
  log: () => done,
  refuse: () => { throw Object.assign(new TypeError("no"), { code: "E_NO" }); },
  die: () => { setImmediate(() => { throw new Error("dead"); }); return new Promise(() => {}); },
  exit: () => { process.exit(0); },
}, (message) => post({ echo: message }));
`;

const clients: WorkerClient<TestHandlers>[] = [];
const start = (workerData: unknown = {}, callsMax?: number): WorkerClient<TestHandlers> => {
  const file = join(mkdtempSync(join(tmpdir(), "parley-worker-")), "test.worker.mjs");
  writeFileSync(file, source);
  const options = { name: "test", youngMb: 6, ...(callsMax === undefined ? {} : { callsMax }) };
  const client = callWorker<TestHandlers>(pathToFileURL(file), workerData, options);
  clients.push(client);
  return client;
};
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.terminate()));
});

describe("workerUrl", () => {
  it("sends TypeScript sources to dist and leaves compiled ones alone", () => {
    const dist = "file:///app/dist/src/infra/x/a.worker.js";
    expect(workerUrl("file:///app/src/infra/x/a.ts", "./a.worker.js").href).toBe(dist);
    expect(workerUrl("file:///app/dist/src/infra/x/a.js", "./a.worker.js").href).toBe(dist);
  });
});

describe("callWorker", () => {
  it("answers calls one after another, in order, even when an earlier one is slower", async () => {
    const client = start();
    const results = Promise.all([
      client.call("slow", "first", 30),
      client.call("slow", "second", 1),
      client.call("add", 1, 2),
    ]);
    expect(await results).toEqual(["first", "second", 3]);
    expect(await client.call("log")).toEqual(["first", "second", "add"]);
  });

  it("carries a handler's error with name, message and code, and goes on", async () => {
    const client = start();
    await expect(client.call("refuse")).rejects.toMatchObject({ name: "TypeError", message: "no", code: "E_NO" });
    expect(await client.call("add", 2, 2)).toBe(4);
  });

  it("posts both ways, past a call that waits", async () => {
    const client = start();
    const echoed = new Promise((resolve) => {
      client.onMessage(resolve);
    });
    const slow = client.call("slow", "late", 50);
    client.post("hello");
    expect(await echoed).toEqual({ echo: "hello" });
    expect(await slow).toBe("late");
  });

  it.each(["die", "exit"] as const)(
    "rejects pending and later calls when the worker ends by itself (%s)",
    async (how) => {
      const client = start();
      const pending = [client.call(how), client.call("add", 1, 1)].map((call) =>
        expect(call).rejects.toMatchObject({ code: "WORKER_GONE" }),
      );
      await Promise.all(pending);
      expect(await client.failed).toMatchObject({ code: "WORKER_GONE" });
      await expect(client.call("add", 1, 1)).rejects.toMatchObject({ code: "WORKER_GONE" });
    },
  );

  it("says why a worker could not start", async () => {
    const client = start({ broken: true });
    await expect(client.call("add", 1, 1)).rejects.toThrow("cannot start");
    expect((await client.failed).message).toContain("cannot start");
  });

  it("refuses a call above the bound and accepts again afterwards", async () => {
    const client = start({}, 2);
    const accepted = [client.call("slow", "a", 20), client.call("slow", "b", 1)];
    await expect(client.call("add", 1, 1)).rejects.toMatchObject({ code: "WORKER_BUSY" });
    await Promise.all(accepted);
    expect(await client.call("add", 1, 1)).toBe(2);
  });

  it("does not report a requested end as a failure", async () => {
    const client = start();
    await client.call("add", 1, 1);
    const pending = expect(client.call("slow", "x", 1000)).rejects.toMatchObject({ code: "WORKER_GONE" });
    await client.terminate();
    await pending;
    const failure = await Promise.race([client.failed, Promise.resolve("none")]);
    expect(failure).toBe("none");
  });
});
