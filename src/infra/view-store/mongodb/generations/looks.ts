import { asError } from "../../../../lib/errors.js";
import type { Standing } from "./standing.js";

/**
 * What a process knows of the generations: no older than `ageMsMax` wherever it is used, since a generation that readers
 * have left is removed some time later.
 */
export type Looks = {
  /** From memory where it is young enough. Rejects as `look` does. */
  readonly current: () => Standing | Promise<Standing>;
  /** Asks now. @throws StoreUnavailable */
  readonly look: () => Promise<Standing>;
  /** Looks by itself from now on, and calls back when the generations have become others; until it is ended. */
  readonly watch: (onChange: (standing: Standing) => void) => () => void;
};

/** What a reader may be behind a switch: measured from before the question. */
export const ageMsMax = 1_000;
const watchEveryMs = 500;

export const createLooks = (
  load: () => Promise<Standing>,
  first: Standing,
  onLooked: (standing: Standing) => void,
  onProblem: (error: Error) => void,
): Looks => {
  let known = { standing: first, at: performance.now() };
  let looking: Promise<Standing> | undefined;
  const listeners = new Set<(standing: Standing) => void>();
  const ask = async (): Promise<Standing> => {
    const at = performance.now();
    const standing = await load();
    // Answers may overtake each other; generations only go on.
    if (standing.pointer.revision < known.standing.pointer.revision) return known.standing;
    const isOther = standing.pointer.revision > known.standing.pointer.revision;
    known = { standing, at };
    onLooked(standing);
    if (isOther) for (const listener of listeners) listener(standing);
    return standing;
  };
  const isYoung = (): boolean => performance.now() - known.at < ageMsMax;
  return {
    // One question for all that need it.
    current: () => (isYoung() ? known.standing : (looking ??= ask().finally(() => (looking = undefined)))),
    look: ask,
    watch: (onChange) => {
      listeners.add(onChange);
      const timer = setInterval(() => {
        ask().catch((error: unknown) => {
          onProblem(asError(error));
        });
      }, watchEveryMs);
      return () => {
        clearInterval(timer);
        listeners.delete(onChange);
      };
    },
  };
};
