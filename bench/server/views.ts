import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "./cpu.js";

/** How far a server's views are behind its log, as its own metrics tell. */
export type Views = {
  /** Events that the log has and the views have not (of EventStoreDB: bytes of its log). Costs the server some milliseconds. */
  readonly lagEvents: () => Promise<number>;
  /** The process that is asked: its main thread answers. */
  readonly asked: Process;
};

export const viewsOf = (url: URL, asked: Process): Views => ({
  asked,
  lagEvents: async () => {
    const response = await fetch(new URL("/metrics", url));
    return lagIn(await response.text());
  },
});

export const lagIn = (metrics: string): number => {
  const line = /^parley_projection_lag_events\{projection="views"\} (\S+)$/m.exec(metrics);
  if (line === null) throw new Error("the server's metrics do not tell how far its views are behind");
  return Number(line[1]);
};

/** Seldom, since each look is a scrape. */
const lookEveryMs = 100;
const patienceMs = 120_000;

/** Resolves when the views have all that the log has, with the milliseconds that it took, in steps of a look. */
export const caughtUp = async ({ lagEvents }: Views): Promise<number> => {
  const from = performance.now();
  while ((await lagEvents()) > 0) {
    if (performance.now() - from > patienceMs) throw new Error(`the views did not catch up within ${patienceMs} ms`);
    await sleep(lookEveryMs);
  }
  return performance.now() - from;
};
