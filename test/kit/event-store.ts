/**
 * A log as a real EventStoreDB (23.10.8, one node and three) was seen to answer at its worst, each trait by itself around
 * one that has none: for what Parley must bear and no stand-in does by itself.
 */
import type { EventLog } from "../../src/commands/ports.js";
import { LogError } from "../../src/commands/ports.js";
import { asPosition } from "../../src/domain/kernel/stream.js";

/** Somewhere else: each request and each answer takes about so long. */
export const farAway = (log: EventLog, tripMs: number): EventLog => {
  const travel = () => new Promise((resolve) => setTimeout(resolve, tripMs * (0.8 + Math.random() * 0.4)));
  const there = async <A>(ask: () => Promise<A>): Promise<A> => {
    await travel();
    const answer = await ask();
    await travel();
    return answer;
  };
  return {
    ...log,
    append: (...asked) => there(() => log.append(...asked)),
    readStream: (...asked) => there(() => log.readStream(...asked)),
  };
};

/** A follower after a change of leader: it forwards appends, and its own reads stay behind for so many of them. */
export const lagging = (log: EventLog) => {
  let staleReads = 0;
  let known = 0;
  const counts = { appends: 0 };
  return {
    counts,
    /** From now on its reads know nothing newer, until that many have been asked. */
    fallBehind: async (reads: number): Promise<void> => {
      known = await log.head();
      staleReads = reads;
    },
    log: {
      ...log,
      append: (...asked) => {
        counts.appends += 1;
        return log.append(...asked);
      },
      readStream: async (...asked) => {
        const page = await log.readStream(...asked);
        if (staleReads === 0) return page;
        staleReads -= 1;
        return page.filter(({ position }) => position <= known);
      },
    } satisfies EventLog as EventLog,
  };
};

/** A repetition while the original is under way gets no answer but the server's own time-out, whatever becomes of both. */
export const silentToRepetitions = (log: EventLog): EventLog => {
  const underWay = new Set<string>();
  return {
    ...log,
    append: async (stream, expected, events) => {
      const key = `${stream} ${events[0]?.id ?? ""}`;
      if (underWay.has(key)) throw new LogError("OUTCOME_UNKNOWN", "Timeout");
      underWay.add(key);
      try {
        return await log.append(stream, expected, events);
      } finally {
        underWay.delete(key);
      }
    },
  };
};

/** Between two leaders: so many requests find none. */
export const leaderless = (log: EventLog, requests: number): EventLog => {
  let left = requests;
  const leader = <A>(ask: () => Promise<A>): Promise<A> =>
    left-- > 0 ? Promise.reject(new LogError("UNAVAILABLE", "no leader")) : ask();
  return { ...log, append: (...asked) => leader(() => log.append(...asked)) };
};

/** Positions are places in a file: far apart, and what is not the place of an event is refused. */
export const sparse = (log: Pick<EventLog, "readAll" | "readStream" | "head">) => {
  const apart = 1_000;
  const outside = <Event extends { readonly position: number }>(event: Event) => ({
    ...event,
    position: asPosition(event.position * apart),
  });
  return {
    readStream: async (...asked) => (await log.readStream(...asked)).map(outside),
    readAll: async (from, count, direction) => {
      if (from !== undefined && from % apart !== 0) throw new LogError("UNAVAILABLE", "InvalidPosition");
      const inside = from === undefined ? undefined : asPosition(from / apart);
      return (await log.readAll(inside, count, direction)).map(outside);
    },
    head: async () => asPosition((await log.head()) * apart),
  } satisfies Pick<EventLog, "readAll" | "readStream" | "head">;
};

/** The next so many reads of the whole log have no answer. */
export const awayFor = (log: Pick<EventLog, "readAll" | "readStream" | "head">, reads: number) => {
  let left = reads;
  return {
    ...log,
    readAll: (...asked) =>
      left-- > 0 ? Promise.reject(new LogError("UNAVAILABLE", "no answer")) : log.readAll(...asked),
  } satisfies Pick<EventLog, "readAll" | "readStream" | "head">;
};
