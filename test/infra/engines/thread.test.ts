/** In a process of its own, since flags are a process's. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "parley-young-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const script = `
import { getHeapSpaceStatistics } from "node:v8";
import { isMainThread, parentPort } from "node:worker_threads";
import { startThread } from ${JSON.stringify(new URL("../../../dist/src/infra/engines/thread.js", import.meta.url).href)};
const youngMiB = () => {
  let kept = [];
  for (let n = 0; n < 2_000_000; n++) {
    kept.push({ n });
    if (kept.length > 150_000) kept = [];
  }
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 2 ** 20;
};
if (isMainThread) {
  startThread(new URL(import.meta.url), { name: "young", youngMb: 12 }).once("message", (thread) => {
    process.stdout.write(JSON.stringify({ main: youngMiB(), thread }));
  });
} else parentPort.postMessage(youngMiB());
`;

it("a thread's young generation stays as small as it was asked for, whatever the process was told of its own", async () => {
  const file = join(directory, "young.mjs");
  writeFileSync(file, script);
  const flags = ["--min-semi-space-size=16", "--max-semi-space-size=32"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, file]);
  // Two semi-spaces: the third part is for what is too large for them.
  const { main, thread } = JSON.parse(stdout) as { readonly main: number; readonly thread: number };
  expect(main).toBeGreaterThanOrEqual(32);
  expect(thread).toBeLessThanOrEqual(8);
});
