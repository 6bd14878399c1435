import type { EventLog } from "../../src/commands/ports.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import { openDiskFloor, type DiskFloor } from "../floors/fdatasync.js";
import { createLatency } from "../load/latency.js";
import { named } from "../load/measure.js";
import type { Figures } from "../scenario.js";
import { createAppendLoop } from "./append-loop.js";

/**
 * The log alone, a process of its own so that it runs on the server's core: `append-process.js DIRECTORY SECONDS
 * STREAMS…`. Prints one line of JSON: for each number of streams `{ streams, figures, floor }`.
 */
const rounds = 5;
/** The floor blocks its thread, so it and the log take turns; a fifth of the time is enough for some hundred flushes. */
const floorShare = 0.2;
const warmUpMs = 1_000;

const measure = async (log: EventLog, disk: DiskFloor, streams: number, seconds: number) => {
  const loop = createAppendLoop(log, String(streams), streams);
  await loop.run(warmUpMs, createLatency());

  const roundMs = (seconds * 1000) / rounds;
  const latency = createLatency();
  const flushLatency = createLatency();
  const total = { appends: 0, ms: 0, cpuMicros: 0, flushes: 0, flushMs: 0 };
  for (let round = 0; round < rounds; round++) {
    const flushedFrom = performance.now();
    total.flushes += disk.run(roundMs * floorShare, flushLatency);
    const from = performance.now();
    total.flushMs += from - flushedFrom;
    const before = process.cpuUsage();
    total.appends += await loop.run(roundMs, latency);
    total.ms += performance.now() - from;
    const cpu = process.cpuUsage(before);
    total.cpuMicros += cpu.user + cpu.system;
  }
  const figures: Figures = {
    appendsPerSecond: (total.appends / total.ms) * 1000,
    ...named("append", latency.percentiles()),
    cpuSecondsPer1000: total.cpuMicros / 1000 / total.appends,
    appendsMeasured: total.appends,
  };
  const floor: Figures = {
    appendsPerSecond: (total.flushes / total.flushMs) * 1000,
    ...named("append", flushLatency.percentiles()),
  };
  return { streams, figures, floor };
};

const [directory, seconds, ...streamCounts] = process.argv.slice(2);
if (directory === undefined) throw new Error("append-process.js DIRECTORY SECONDS STREAMS…");

const log = await openSqliteLog(`${directory}/log.db`);
const disk = openDiskFloor(directory);
const measured = [];
for (const streams of streamCounts) measured.push(await measure(log, disk, Number(streams), Number(seconds)));
disk.close();
await log.close();
process.stdout.write(`${JSON.stringify(measured)}\n`);
