import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Figures } from "../scenario.js";

/** Ticks of /proc a second; 100 on every Linux that we know, and asked all the same. */
const ticksPerSecond = (): number => {
  try {
    return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) || 100;
  } catch {
    return 100; // without getconf the usual value is the best guess
  }
};
/** Without /proc there are no figures of other processes' CPU. */
export const hasProc = process.platform === "linux";
const ticks = hasProc ? ticksPerSecond() : 100;

/** Seconds of user and system time that all threads of a process have used so far, in steps of 10 ms. Needs /proc. */
const cpuSecondsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold spaces; the fields after it count from 3 (see proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
};

/** Seconds that all processors together have been busy since the start, with what the host took away. Needs /proc. */
const machineCpuSeconds = (): number => {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  // cpu user nice system idle iowait irq softirq steal …: all but idle and iowait (see proc(5)).
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / ticks;
};

/** CPU times in seconds since whenever; undefined where the system does not tell. */
export type CpuSample = {
  readonly atMs: number;
  readonly load: number;
  readonly system: { readonly server: number; readonly machine: number } | undefined;
};

/** What this process and `pids`, the server's, have used so far. */
export const sampleCpu = (pids: readonly number[]): CpuSample => {
  const { user, system } = process.cpuUsage();
  const server = (): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  return {
    atMs: performance.now(),
    load: (user + system) / 1e6,
    system: hasProc ? { server: server(), machine: machineCpuSeconds() } : undefined,
  };
};

/** Which processes were busy between two samples, in which `units` (messages, events, appends) were done. */
export const busyFigures = (before: CpuSample, after: CpuSample, units: number): Figures => {
  const elapsed = (after.atMs - before.atMs) / 1000;
  const load = after.load - before.load;
  const loadGeneratorBusyCores = load / elapsed;
  if (before.system === undefined || after.system === undefined) return { loadGeneratorBusyCores };
  const server = after.system.server - before.system.server;
  const machine = after.system.machine - before.system.machine;
  return {
    loadGeneratorBusyCores,
    serverCpuSecondsPer1000: (server / units) * 1000,
    serverBusyCores: server / elapsed,
    // What else ran: above 0.1 or so the figures are those of a machine that had other things to do.
    othersBusyCores: Math.max(0, machine - server - load) / elapsed,
  };
};
