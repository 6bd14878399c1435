import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Row } from "../../bench/scenario.js";

const data = mkdtempSync(join(tmpdir(), "parley-bench-test-"));
let rows: readonly Row[] = [];

beforeAll(async () => {
  const args = ["dist/bench/run.js", "pairs", "--seconds", "1", "--scale", "0.03", "--data", data];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 });
  rows = (JSON.parse(stdout) as { scenarios: { pairs: { rows: readonly Row[] } } }).scenarios.pairs.rows;
}, 120_000);

afterAll(() => {
  rmSync(data, { recursive: true, force: true });
});

it("pairs is measured saturated and by the clock, each beside the echo and both relays", () => {
  expect(rows.map(({ variant }) => variant)).toEqual(["window 1", "window 8", "1,000 a second"]);
  for (const { figures, floors } of rows) {
    expect(Object.keys(floors)).toEqual(["echo", "relay", "durableRelay"]);
    for (const floor of [{ figures }, ...Object.values(floors)]) {
      expect(floor.figures.messagesPerSecond).toBeGreaterThan(0);
      expect(floor.figures.ackP99Ms).toBeGreaterThan(0);
    }
    for (const { ratio } of Object.values(floors)) expect(ratio.messagesPerSecond).toBeGreaterThan(0);
  }
});

it.runIf(process.platform === "linux")("CPU is told by thread, with the views' catch-up, and so is memory", () => {
  for (const { figures, floors } of rows) {
    for (const name of ["cpu", "main"]) expect(figures[`${name}MicrosecondsPerMessage`], name).toBeGreaterThan(0);
    // Of so few messages a thread's share may be less than the catch-up that is taken off it.
    for (const name of ["eventLog", "views", "helpers"])
      expect(figures[`${name}MicrosecondsPerMessage`], name).toEqual(expect.any(Number));
    expect(figures).toMatchObject({
      viewsLagEventsAtStart: expect.any(Number) as number,
      viewsLagEventsAtEnd: expect.any(Number) as number,
      catchUpMs: expect.any(Number) as number,
    });
    for (const name of ["rssIdleMB", "rssAfterLoadMB"]) expect(figures[name]).toBeGreaterThan(0);
    expect(floors.durableRelay?.figures.commitsMicrosecondsPerMessage).toBeGreaterThan(0);
  }
});

it("what was made for it is gone", () => {
  expect(readdirSync(data)).toEqual([]);
});
