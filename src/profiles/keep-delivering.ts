import type { Position } from "../domain/kernel/stream.js";
import type { DeliveryProjector, Resumed } from "../projections/delivery/delivery.js";
import { asError } from "../lib/errors.js";
import { backoffMs } from "../lib/retry.js";

export type KeepDelivering = {
  readonly head: () => Promise<Position>;
  readonly start: (resumed: Resumed, onStopped: (error: Error) => void) => DeliveryProjector;
  /** Delivery goes on; frames that were under way when it ended are missing. */
  readonly onAgain: () => void;
  readonly timers?: Timers;
};

export type KeptDelivery = {
  /** Why there is none at this moment. */
  readonly problem: () => string | undefined;
  readonly stop: () => void;
};

type Timers = {
  /** Milliseconds; a clock that is never set back. */
  readonly now: () => number;
  readonly after: (ms: number, work: () => void) => { readonly cancel: () => void };
};

/** Every device syncs after each new start: an event in every minute that ends delivery must not become a storm. */
const untilAgain = { msMin: 1_000, msMax: 60_000, steady: 1 };
/** Whatever lasts longer than this was well. */
const calmMs = 120_000;

/**
 * Live delivery in a process that has no other to hand it to: when it ends by itself it is started again, after the
 * last event that it has looked at. So a device that was removed meanwhile is sent away, and an event that cannot be
 * handled is not met again.
 */
export const keepDelivering = async ({
  head,
  start,
  onAgain,
  timers = realTimers,
}: KeepDelivering): Promise<KeptDelivery> => {
  let problem: string | undefined;
  let endings = 0;
  let stop: () => void = () => undefined;
  let stopped = false;

  const begin = (from: Position, now: Position): void => {
    const begunAt = timers.now();
    problem = undefined;
    const delivery = start({ from, head: now }, (error) => {
      if (stopped) return;
      endings = timers.now() - begunAt > calmMs ? 1 : endings + 1;
      beginLater(error, () => {
        // Its backlog, too: what waits there would come after what the next one sends.
        delivery.stop();
        return delivery.position();
      });
    });
    stop = delivery.stop;
  };

  const beginLater = (error: Error, end: () => Position): void => {
    problem = error.message;
    const pauseMs = backoffMs(endings - 1, untilAgain);
    const timer = timers.after(pauseMs, () => {
      const from = end();
      head().then(
        (now) => {
          if (stopped) return;
          begin(from, now);
          onAgain();
        },
        (failure: unknown) => {
          if (!stopped) beginLater(asError(failure), () => from);
        },
      );
    });
    const before = stop;
    stop = () => {
      timer.cancel();
      before();
    };
  };

  const now = await head();
  begin(now, now);
  return {
    problem: () => problem,
    stop: () => {
      stopped = true;
      stop();
    },
  };
};

const realTimers: Timers = {
  now: () => performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms).unref();
    return {
      cancel: () => {
        clearTimeout(timer);
      },
    };
  },
};
