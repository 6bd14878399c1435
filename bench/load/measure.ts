import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../scenario.js";
import { busyFigures, sampleCpu, type CpuSample } from "../server/cpu.js";
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
 * `pids` are those of the server's processes.
 */
export const measureLoop = async (
  loop: ClosedLoop,
  group: Pick<SocketGroup, "failed">,
  pids: readonly number[],
  seconds: number,
): Promise<Figures> => {
  loop.start();
  await Promise.race([sleep(Math.max(warmUpMsMin, seconds * 250)), group.failed]);

  const { ack, delivery } = loop.measure();
  const before = takeSample(loop, pids);
  await Promise.race([sleep(seconds * 1000), group.failed]);
  const after = takeSample(loop, pids);
  // Copied now: what arrives while draining is no longer under the full load.
  const latencies = {
    ...named("ack", ack.percentiles()),
    ...(delivery.count() > 0 ? named("delivery", delivery.percentiles()) : {}),
  };

  await Promise.race([loop.drain(drainMs), group.failed]);
  return { ...rates(before, after), ...latencies, repeatedDeliveries: loop.counts().repeated };
};

type Sample = CpuSample & { readonly counts: LoopCounts };

const takeSample = (loop: ClosedLoop, pids: readonly number[]): Sample => ({
  ...sampleCpu(pids),
  counts: loop.counts(),
});

const rates = (before: Sample, after: Sample): Figures => {
  const elapsed = (after.atMs - before.atMs) / 1000;
  const messages = after.counts.completed - before.counts.completed;
  const deliveries = after.counts.delivered - before.counts.delivered;
  if (messages === 0) throw new Error(`not one message was completed in ${elapsed} s`);
  const busy = busyFigures(before, after, messages);
  const per1000 = busy.serverCpuSecondsPer1000;
  return {
    messagesPerSecond: messages / elapsed,
    deliveriesPerSecond: deliveries / elapsed,
    messagesMeasured: messages,
    ...busy,
    ...(per1000 !== undefined && deliveries > 0
      ? { serverCpuSecondsPer1000Deliveries: (per1000 * messages) / deliveries }
      : {}),
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
