import { asParleyError, type ErrorCode, type ParleyError } from "./errors.js";
import type { Platform } from "./platform.js";
import type { Frame } from "./protocol.js";

/** A refusal is an answer, and a bound of our own says nothing about the other side. */
const silence: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["TIMEOUT", "DISCONNECTED"]);

/** Says that this side lives, and notices when the other does not: sockets may die without a word. */
export function createHeartbeat(options: {
  readonly platform: Platform;
  readonly request: (type: string, payload: object) => Promise<Frame>;
  readonly onLost: (cause: ParleyError) => void;
}): { readonly start: (intervalMs: number) => void; readonly stop: () => void } {
  let generation = 0;
  let stopTimer: (() => void) | undefined;

  const beat = async (intervalMs: number, mine: number): Promise<void> => {
    try {
      await options.request("heartbeat", {});
    } catch (thrown) {
      const error = asParleyError(thrown, "DISCONNECTED", "heartbeat");
      if (silence.has(error.code)) {
        if (mine === generation) options.onLost(error);
        return;
      }
    }
    if (mine === generation) schedule(intervalMs, mine);
  };
  const schedule = (intervalMs: number, mine: number): void => {
    stopTimer = options.platform.startTimer(() => void beat(intervalMs, mine), intervalMs);
  };
  const stop = (): void => {
    generation += 1;
    stopTimer?.();
  };
  return {
    start: (intervalMs) => {
      stop();
      schedule(intervalMs, generation);
    },
    stop,
  };
}
