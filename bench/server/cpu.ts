import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Figures } from "../scenario.js";
import { hasProc, plus, threadSecondsOf, totalOf, type ThreadSeconds } from "./threads.js";

/** Ticks of /proc a second; 100 on every Linux that we know, and asked all the same. */
const ticksPerSecond = (): number => {
  try {
    return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) || 100;
  } catch {
    return 100; // without getconf the usual value is the best guess
  }
};
const ticks = hasProc ? ticksPerSecond() : 100;

/** Seconds that all processors together have been busy since the start, with what the host took away. Needs /proc. */
const machineCpuSeconds = (): number => {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  // cpu user nice system idle iowait irq softirq steal …: all but idle and iowait (see proc(5)).
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / ticks;
};

/** A process that is measured; its threads by number, as far as they have names. */
export type Process = { readonly pid: number; readonly threadNames?: () => ReadonlyMap<number, string> };

/** CPU times in seconds since whenever; undefined where the system does not tell. */
export type CpuSample = {
  readonly atMs: number;
  readonly load: number;
  readonly system: { readonly server: ThreadSeconds; readonly machine: number } | undefined;
};

const noNames: ReadonlyMap<number, string> = new Map();

/** What this process and the server's have used so far. */
export const sampleCpu = (processes: readonly Process[]): CpuSample => {
  const { user, system } = process.cpuUsage();
  const server = (): ThreadSeconds =>
    processes.reduce<ThreadSeconds>(
      (sum, { pid, threadNames }) => plus(sum, threadSecondsOf(pid, threadNames?.() ?? noNames)),
      {},
    );
  return {
    atMs: performance.now(),
    load: (user + system) / 1e6,
    system: hasProc ? { server: server(), machine: machineCpuSeconds() } : undefined,
  };
};

/** What the server's threads used between two samples; undefined where the system does not tell. */
export const threadSecondsBetween = (before: CpuSample, after: CpuSample): ThreadSeconds | undefined =>
  before.system === undefined || after.system === undefined
    ? undefined
    : plus(after.system.server, before.system.server, -1);

/** Which processes were busy between two samples. */
export const busyCores = (before: CpuSample, after: CpuSample): Figures => {
  const elapsed = (after.atMs - before.atMs) / 1000;
  const load = after.load - before.load;
  const loadGeneratorBusyCores = load / elapsed;
  const threads = threadSecondsBetween(before, after);
  if (threads === undefined) return { loadGeneratorBusyCores };
  const server = totalOf(threads);
  const machine = (after.system?.machine ?? 0) - (before.system?.machine ?? 0);
  return {
    loadGeneratorBusyCores,
    serverBusyCores: server / elapsed,
    // What else ran: above 0.1 or so the figures are those of a machine that had other things to do.
    othersBusyCores: Math.max(0, machine - server - load) / elapsed,
  };
};

/** The same, and what each of `units` (events, appends) cost. */
export const busyFigures = (before: CpuSample, after: CpuSample, units: number): Figures => {
  const threads = threadSecondsBetween(before, after);
  return {
    ...busyCores(before, after),
    ...(threads === undefined ? {} : { serverCpuSecondsPer1000: (totalOf(threads) / units) * 1000 }),
  };
};
