import type { Figures } from "../scenario.js";
import { sampleCpu, threadSecondsBetween, type Process } from "../server/cpu.js";
import { plus, totalOf, type ThreadSeconds } from "../server/threads.js";
import { caughtUp, type Views } from "../server/views.js";

/** What is under load. */
export type Target = {
  /** All processes that do the server's work. */
  readonly processes: readonly Process[];
  /** Undefined where there are none: at a floor. */
  readonly views?: Views;
};

/** How far the views were behind when the measurement began and when it ended. */
export type ViewsLag = { readonly before: number; readonly after: number };

/**
 * Waits for the views after the load and counts what that cost: else a server that lets its views fall behind would look
 * fast. Of it the measured messages caused as much as the lag grew by meanwhile. The main thread of the process that is
 * asked how far they are is left out: it answers.
 */
export const catchUp = async (
  { processes, views }: Target,
  lag: ViewsLag,
): Promise<{ readonly figures: Figures; readonly threads: ThreadSeconds }> => {
  if (views === undefined) return { figures: {}, threads: {} };
  const behind = await views.lagEvents();
  const others = processes.filter(({ pid }) => pid !== views.asked.pid);
  const sample = () => ({ asked: sampleCpu([views.asked]), others: sampleCpu(others) });
  const before = sample();
  const catchUpMs = await caughtUp(views);
  const after = sample();
  const ofAsked = Object.entries(threadSecondsBetween(before.asked, after.asked) ?? {});
  const ofOthers = threadSecondsBetween(before.others, after.others) ?? {};
  const threads = plus(ofOthers, Object.fromEntries(ofAsked.filter(([name]) => name !== "main")));
  return {
    figures: { viewsLagEventsAtStart: lag.before, viewsLagEventsAtEnd: lag.after, catchUpMs },
    threads: plus({}, threads, shareOf(lag, behind)),
  };
};

/** Below 0 where the lag shrank: the views then did in the measurement what earlier messages had left. */
export const shareOf = (lag: ViewsLag, behind: number): number =>
  behind === 0 ? 0 : Math.max(-1, Math.min(1, (lag.after - lag.before) / behind));

/** CPU of a message, in all and by thread, `later` (in the catch-up) included, and of a delivery. */
export const costFigures = (
  during: ThreadSeconds,
  later: ThreadSeconds,
  { messages, deliveries }: { readonly messages: number; readonly deliveries: number },
): Figures => {
  const ofMessage = (seconds: number): number => (seconds * 1e6) / messages;
  const threads = plus(during, later);
  return {
    cpuMicrosecondsPerMessage: ofMessage(totalOf(threads)),
    ...Object.fromEntries(
      Object.entries(threads).map(([name, seconds]) => [
        `${camelCase(name)}MicrosecondsPerMessage`,
        ofMessage(seconds),
      ]),
    ),
    ...(totalOf(later) === 0 ? {} : { catchUpMicrosecondsPerMessage: ofMessage(totalOf(later)) }),
    ...(deliveries > 0 ? { cpuMicrosecondsPerDelivery: (totalOf(threads) * 1e6) / deliveries } : {}),
  };
};

const camelCase = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
