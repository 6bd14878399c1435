import { asError } from "../../../lib/errors.js";
import type { Redis } from "ioredis";
import type { PartitionLeases } from "../../../projections/ports/leases.js";
import { defineScript } from "../../engines/redis.js";
import { holdersKey, ownersKey, placesKey, stopScript, tickScript } from "./scripts.js";

export type PartitionLeasesOptions = {
  readonly redis: Redis;
  /** In front of every key, before a colon. */
  readonly prefix: string;
  /** This incarnation of the process: no other has the name at the same time. */
  readonly holder: string;
  /** Where no two processes run at once: a holder that comes there takes over at once from one that died there. */
  readonly place?: string;
  /** Their number, from 0 on; the same for all holders. */
  readonly partitions: number;
  /** Short, since to lose one that is needed is harmless: a process that stood still has it again with its next renewal. */
  readonly leaseMs?: number;
  /**
   * Between two renewals. A dead holder's partitions are taken over within `leaseMs` and this. Some renewals of each
   * lease may fail or come late before it is lost.
   */
  readonly everyMs?: number;
  /**
   * Without an answer for so long it holds all. Longer than Redis takes to come back by itself: each change of what is
   * held stops and begins views and delivery, and what it holds it goes on with anyway.
   */
  readonly aloneMs?: number;
  /**
   * Told of each real change, ascending, one call after another; changes during a call are told as one afterwards. One
   * that rejects is called again with the next renewal.
   * `stop` is the caller's own doing and not told.
   */
  readonly onChange: (held: readonly number[]) => void | Promise<void>;
  /** Told of each renewal that failed, of `stop` when it could not give back, and of an `onChange` that failed. */
  readonly onProblem: (error: Error) => void;
};

/**
 * Shares partitions evenly, ceil(partitions / living holders) each at most, except that what no other holder lacks stays
 * where it is. Starts at once, also while Redis is away: a holder that had no answer yet holds all after `leaseMs`, since
 * it has nothing that would be stopped for it, and one that has a share after `aloneMs`; both come back to a share with
 * the first answers. When Redis is back before that, no share changes, also when it has lost everything.
 */
export const startPartitionLeases = (options: PartitionLeasesOptions): PartitionLeases => {
  const {
    redis,
    prefix,
    holder,
    place = "",
    partitions,
    leaseMs = 2_000,
    everyMs = 400,
    aloneMs = 5_000,
    onChange,
    onProblem,
  } = options;
  const renew = defineScript(redis, "parleyLeasesTick", tickScript);
  const giveBack = defineScript(redis, "parleyLeasesStop", stopScript);
  const keys = [holdersKey(prefix), ownersKey(prefix), placesKey(prefix)];
  const teller = createTeller(onChange, onProblem);
  let held: readonly number[] = [];
  let stopped = false;
  let isNew = true;
  /** Monotonic: a clock that is set must not make an outage of a moment, nor a moment of an outage. */
  let answeredAt = performance.now();
  let isBroken = false;
  let waitsUntil = -Infinity;
  let ticking: Promise<void> | undefined;

  const hold = (next: readonly number[]): void => {
    if (stopped) return;
    held = next;
    teller.tell(next);
  };
  /** Where it could not renew its lease, the others could not either: they have one lease's time to come back for theirs. */
  const waits = (): boolean => {
    const now = performance.now();
    if (!isNew && (isBroken || now - answeredAt > leaseMs - everyMs)) waitsUntil = now + leaseMs;
    isBroken = false;
    return now < waitsUntil;
  };
  const tick = async (): Promise<void> => {
    try {
      const mode = waits() ? "waits" : "takes";
      const args = [holder, partitions, leaseMs, isNew ? place : "", held.join(), mode];
      const mine = (await renew(keys, args)) as readonly number[];
      isNew = false;
      answeredAt = performance.now();
      hold(mine);
    } catch (error) {
      onProblem(asError(error));
      isBroken = redis.status !== "ready";
      if (performance.now() - answeredAt > (isNew ? leaseMs : aloneMs))
        hold(Array.from({ length: partitions }, (_, partition) => partition));
    }
  };
  const tickOnce = (): void => {
    ticking ??= tick().finally(() => (ticking = undefined));
  };
  const timer = setInterval(tickOnce, everyMs);
  tickOnce();
  const stop = async (): Promise<void> => {
    stopped = true;
    held = [];
    clearInterval(timer);
    // Before the tick under way has ended it could take again what was given back.
    await ticking;
    await giveBack(keys, [holder]).catch((error: unknown) => {
      onProblem(asError(error));
    });
    await teller.stop();
  };
  let stopping: Promise<void> | undefined;

  return {
    held: () => held,
    stop: () => (stopping ??= stop()),
  };
};

/**
 * Tells what is held when it differs from what was told last: never two calls at once, the newest state only. What could
 * not be told is told again with the next renewal.
 */
const createTeller = (onChange: PartitionLeasesOptions["onChange"], onProblem: (error: Error) => void) => {
  let told: string | undefined = "";
  let current: readonly number[] = [];
  let telling: Promise<void> | undefined;
  let stopped = false;
  const isNews = (): boolean => !stopped && told !== current.join();
  const run = async (): Promise<void> => {
    while (isNews()) {
      const news = current.join();
      try {
        await onChange(current);
        told = news;
      } catch (error) {
        told = undefined;
        onProblem(asError(error));
        return;
      }
    }
  };
  return {
    tell: (held: readonly number[]): void => {
      current = held;
      if (isNews()) telling ??= run().finally(() => (telling = undefined));
    },
    /** Waits for the call under way; there are no others after it. */
    stop: async (): Promise<void> => {
      stopped = true;
      await telling;
    },
  };
};
