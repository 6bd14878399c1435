import { setTimeout as sleep } from "node:timers/promises";
import type { BenchContext, Figures } from "../scenario.js";
import { busyCores, sampleCpu, threadSecondsBetween, type CpuSample } from "../server/cpu.js";
import { residentMB } from "../server/memory.js";
import { hasProc, type ThreadSeconds } from "../server/threads.js";
import { catchUp, costFigures, type Target } from "./cost.js";
import type { Percentiles } from "./latency.js";
import type { Loop, LoopCounts } from "./loop.js";
import type { SocketGroup } from "./open-all.js";

/**
 * What happens in it is checked but not counted. After 5 s the main thread's cost of a message is what it is after 15 s;
 * V8's helper threads still go from 9 to 6 µs a message, of some 130 in all.
 */
const warmUpMsMin = 5_000;
/** A floor's few lines are compiled sooner. */
const floorWarmUpMs = 1_500;
const drainMs = 15_000;

export type Times = {
  readonly seconds: number;
  /** Before anything is counted. */
  readonly warmUpMs: number;
};

export const timesOf = ({ seconds, scale }: Pick<BenchContext, "seconds" | "scale">): Times => ({
  seconds,
  warmUpMs: Math.max(warmUpMsMin, seconds * 250) * scale,
});

/** A floor is measured before and after the server, each half as long. */
export const floorTimesOf = ({ seconds, scale }: Pick<BenchContext, "seconds" | "scale">): Times => ({
  seconds: seconds / 2,
  warmUpMs: floorWarmUpMs * scale,
});

/**
 * Runs a loop over open connections: warm-up, `seconds` of measurement, then nothing new until everything that was sent
 * has arrived and the views have it. Rejects when a connection fails, a frame is not what it should be, or anything is
 * still missing at the end.
 */
export const measureLoop = async (
  loop: Loop,
  group: Pick<SocketGroup, "failed">,
  target: Target,
  { seconds, warmUpMs }: Times,
): Promise<Figures> => {
  const lagEvents = (): Promise<number> => target.views?.lagEvents() ?? Promise.resolve(0);
  loop.start();
  await Promise.race([sleep(warmUpMs), group.failed]);

  const lagBefore = await lagEvents();
  const { ack, delivery, late } = loop.measure();
  const before = takeSample(loop, target);
  await Promise.race([sleep(seconds * 1000), group.failed]);
  const after = takeSample(loop, target);
  // Copied now: what arrives while draining is no longer under the full load.
  const latencies = {
    ...named("ack", ack.percentiles()),
    ...(delivery.count() > 0 ? named("delivery", delivery.percentiles()) : {}),
    ...(late === undefined ? {} : { sendLateP99Ms: late.percentiles().p99Ms }),
  };
  const lag = { before: lagBefore, after: await lagEvents() };

  await Promise.race([loop.drain(drainMs), group.failed]);
  const { figures, threads } = await catchUp(target, lag);
  return {
    ...rates(before, after, threads),
    ...latencies,
    ...figures,
    ...(hasProc ? { rssAfterLoadMB: residentMB(target.processes) } : {}),
    repeatedDeliveries: loop.counts().repeated,
  };
};

type Sample = CpuSample & { readonly counts: LoopCounts };

const takeSample = (loop: Loop, { processes }: Target): Sample => ({
  ...sampleCpu(processes),
  counts: loop.counts(),
});

const rates = (before: Sample, after: Sample, later: ThreadSeconds): Figures => {
  const elapsed = (after.atMs - before.atMs) / 1000;
  const messages = after.counts.completed - before.counts.completed;
  const deliveries = after.counts.delivered - before.counts.delivered;
  if (messages === 0) throw new Error(`not one message was completed in ${elapsed} s`);
  const threads = threadSecondsBetween(before, after);
  return {
    messagesPerSecond: messages / elapsed,
    deliveriesPerSecond: deliveries / elapsed,
    messagesMeasured: messages,
    ...busyCores(before, after),
    ...(threads === undefined ? {} : costFigures(threads, later, { messages, deliveries })),
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
