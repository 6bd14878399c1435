import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startSharedThread, type RunOptions, type SharedThread } from "../../../src/infra/engines/shared-thread.js";
import type { WorkerClient } from "../../../src/infra/engines/worker.js";

type TestHandlers = {
  /** Names of those that were called in this thread, this call not among them. */
  log: () => string[];
  /** Posts "held", and holds the thread up until the number is another than zero. */
  hold: (until: Int32Array) => void;
  die: () => Promise<never>;
};
type TestData = { readonly name: string; readonly broken?: string };

const source = `
globalThis.called ??= [];
export const open = ({ name, broken }, post) => {
  if (broken !== undefined) throw new Error(broken);
  post(name + " is open");
  const called = () => { const before = [...globalThis.called]; globalThis.called.push(name); return before; };
  return {
    log: called,
    hold: (until) => { called(); post("held"); Atomics.wait(until, 0, 0); },
    die: () => { setImmediate(() => { throw new Error("dead"); }); return new Promise(() => {}); },
  };
};
`;

let directory: string;
let thread: SharedThread;
const clients: WorkerClient<TestHandlers>[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "parley-thread-"));
  writeFileSync(join(directory, "test.mjs"), source);
  thread = startSharedThread("test");
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.terminate()));
  rmSync(directory, { recursive: true });
});
const run = (data: TestData, options: Partial<RunOptions> = {}): WorkerClient<TestHandlers> => {
  const module = pathToFileURL(join(directory, "test.mjs"));
  const client = thread.run<TestHandlers>(module, data, { name: data.name, ...options });
  clients.push(client);
  return client;
};

describe("a shared thread", () => {
  it("answers each by its own port, and posts to it", async () => {
    const [a, b] = [run({ name: "a" }), run({ name: "b" })];
    const told = [a, b].map(
      (client) =>
        new Promise((resolve) => {
          client.onMessage(resolve);
        }),
    );
    expect(await a.call("log")).toEqual([]);
    expect(await b.call("log")).toEqual(["a"]);
    expect(await Promise.all(told)).toEqual(["a is open", "b is open"]);
  });

  it("lets one call of a patient one go before another's, however many wait", async () => {
    const [patient, other] = [run({ name: "patient" }, { isPatient: true }), run({ name: "other" })];
    await Promise.all([patient.call("log"), other.call("log")]);
    const isHeld = new Promise((resolve) => {
      patient.onMessage(resolve);
    });
    const until = new Int32Array(new SharedArrayBuffer(4));
    const held = patient.call("hold", until);
    expect(await isHeld).toBe("held");
    const many = Array.from({ length: 100 }, () => patient.call("log"));
    const before = other.call("log");
    Atomics.store(until, 0, 1);
    Atomics.notify(until, 0);
    // The two that opened them, the one that held the thread up, and none or one of the many.
    expect((await before).length).toBeLessThanOrEqual(4);
    expect((await Promise.all([held, ...many])).at(-1)).toHaveLength(2 + 1 + 1 + 99);
  });

  it("goes on without one that could not be opened, which says why", async () => {
    const [broken, other] = [run({ name: "broken", broken: "no such disk" }), run({ name: "other" })];
    await expect(broken.call("log")).rejects.toMatchObject({
      code: "WORKER_GONE",
      message: "worker broken failed: no such disk",
    });
    await expect(broken.failed).resolves.toMatchObject({ code: "WORKER_GONE" });
    await broken.terminate();
    expect(await other.call("log")).toEqual([]);
  });

  it("takes all with it when it dies, and runs nothing any more", async () => {
    const [a, b] = [run({ name: "a" }), run({ name: "b" })];
    await expect(a.call("die")).rejects.toMatchObject({ code: "WORKER_GONE" });
    expect(await b.failed).toMatchObject({ code: "WORKER_GONE", message: "worker b failed: dead" });
    await expect(b.call("log")).rejects.toMatchObject({ code: "WORKER_GONE" });
    expect(() => run({ name: "c" })).toThrow("thread test failed: dead");
  });

  it("goes on when one is ended, ends with the last, and calls neither a failure", async () => {
    const [a, b] = [run({ name: "a" }), run({ name: "b" })];
    const pending = expect(a.call("log")).rejects.toMatchObject({ code: "WORKER_GONE" });
    await a.terminate();
    await pending;
    expect(await b.call("log")).toBeInstanceOf(Array);
    await b.terminate();
    expect(await Promise.race([a.failed, b.failed, Promise.resolve("none")])).toBe("none");
    expect(() => run({ name: "c" })).toThrow("thread test has ended");
  });
});
