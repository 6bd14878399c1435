import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../scenario.js";
import { cpuSecondsOf, hasProc, machineCpuSeconds } from "../server/cpu.js";
import type { ClosedLoop, LoopCounts } from "./closed-loop.js";
import type { Percentiles } from "./latency.js";
import type { SocketGroup } from "./open-all.js";

/**
 * What happens in it is checked but not counted. After 5 s the main thread's cost of a message is what it is after 15 s;
 * V8's helper threads still go from 9 to 6 µs a message, of some 130 in all.
 */
const warmUpMsMin = 5_000;
const drainMs = 15_000;

/**
 * Runs a loop over open connections: warm-up, `seconds` of measurement, then nothing new until everything that was sent
 * has arrived. Rejects when a connection fails, a frame is not what it should be, or anything is still missing at the end.
 */
export const measureLoop = async (
  loop: ClosedLoop,
  group: Pick<SocketGroup, "failed">,
  pid: number,
  seconds: number,
): Promise<Figures> => {
  loop.start();
  await Promise.race([sleep(Math.max(warmUpMsMin, seconds * 250)), group.failed]);

  const { ack, delivery } = loop.measure();
  const before = takeSample(loop, pid);
  await Promise.race([sleep(seconds * 1000), group.failed]);
  const after = takeSample(loop, pid);
  // Copied now: what arrives while draining is no longer under the full load.
  const latencies = {
    ...named("ack", ack.percentiles()),
    ...(delivery.count() > 0 ? named("delivery", delivery.percentiles()) : {}),
  };

  await Promise.race([loop.drain(drainMs), group.failed]);
  return { ...rates(before, after), ...latencies, repeatedDeliveries: loop.counts().repeated };
};

/** CPU times in seconds since whenever; undefined where the system does not tell. */
type Sample = {
  readonly atMs: number;
  readonly counts: LoopCounts;
  readonly load: number;
  readonly system: { readonly server: number; readonly machine: number } | undefined;
};

const takeSample = (loop: ClosedLoop, pid: number): Sample => {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    counts: loop.counts(),
    load: (user + system) / 1e6,
    system: hasProc ? { server: cpuSecondsOf(pid), machine: machineCpuSeconds() } : undefined,
  };
};

const rates = (before: Sample, after: Sample): Figures => {
  const elapsed = (after.atMs - before.atMs) / 1000;
  const messages = after.counts.completed - before.counts.completed;
  const deliveries = after.counts.delivered - before.counts.delivered;
  if (messages === 0) throw new Error(`not one message was completed in ${elapsed} s`);
  const load = after.load - before.load;
  const cpuFigures = (server: number, machine: number): Figures => ({
    serverCpuSecondsPer1000: (server / messages) * 1000,
    ...(deliveries > 0 ? { serverCpuSecondsPer1000Deliveries: (server / deliveries) * 1000 } : {}),
    serverBusyCores: server / elapsed,
    // What else ran: above 0.1 or so the figures are those of a machine that had other things to do.
    othersBusyCores: Math.max(0, machine - server - load) / elapsed,
  });
  return {
    messagesPerSecond: messages / elapsed,
    deliveriesPerSecond: deliveries / elapsed,
    messagesMeasured: messages,
    loadGeneratorBusyCores: load / elapsed,
    ...(before.system === undefined || after.system === undefined
      ? {}
      : cpuFigures(after.system.server - before.system.server, after.system.machine - before.system.machine)),
  };
};

/** `named("ack", { p50Ms })` is `{ ackP50Ms }`. */
export const named = (prefix: string, percentiles: Percentiles): Figures =>
  Object.fromEntries(
    Object.entries(percentiles).map(([name, value]) => [
      `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      value,
    ]),
  );

/** The figure, or a refusal to go on without it. */
export const figure = (figures: Figures, name: string): number => {
  const value = figures[name];
  if (value === undefined) throw new Error(`the figure ${name} is missing`);
  return value;
};

/** The mean of each figure of two measurements, one before and one after what they are compared with. */
export const meanOf = (before: Figures, after: Figures): Figures =>
  Object.fromEntries(Object.entries(before).map(([name, value]) => [name, (value + (after[name] ?? value)) / 2]));
