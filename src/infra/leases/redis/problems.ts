/**
 * Why a projector does not go on, told to operators by Redis while it is so: `…:projectors:{leases}:problems:HOLDER`, JSON,
 * which lapses with its process. What is lost with Redis is told again with the next beat.
 */
import type { Redis } from "ioredis";
import { asError } from "../../../lib/errors.js";

export type ProjectorProblems = { readonly views?: string; readonly delivery?: string };

const keyOf = (prefix: string, holder: string): string => `${prefix}:projectors:{leases}:problems:${holder}`;

/** A process that was killed is said to have its problem for so long, were it still among the holders. */
const keptSeconds = 30;
const everyMs = 10_000;
/** A reason is a sentence; a driver's may be a page. */
const textMax = 2_000;

export type ProblemsOptions = {
  readonly redis: Redis;
  readonly prefix: string;
  readonly holder: string;
  /** Of this moment. */
  readonly problems: () => ProjectorProblems;
  readonly onProblem: (error: Error) => void;
};

/** Tells now and again. `tell`: they have become others. */
export const startTellingProblems = (options: ProblemsOptions) => {
  const { redis, prefix, holder, problems, onProblem } = options;
  const key = keyOf(prefix, holder);
  let isTold = false;
  const write = async (): Promise<void> => {
    const { views, delivery } = problems();
    if (views === undefined && delivery === undefined) {
      if (isTold) await redis.del(key);
      isTold = false;
      return;
    }
    isTold = true;
    const cut = { ...(views && { views: cutOf(views) }), ...(delivery && { delivery: cutOf(delivery) }) };
    await redis.set(key, JSON.stringify(cut), "EX", keptSeconds);
  };
  /** One after another: an older state must not come to stand over a newer one. */
  let telling: Promise<void> = Promise.resolve();
  const tell = (): void => {
    telling = telling.then(write).catch((error: unknown) => {
      onProblem(asError(error));
    });
  };
  const timer = setInterval(tell, everyMs);
  return {
    tell,
    stop: async (): Promise<void> => {
      clearInterval(timer);
      await telling;
      if (isTold) await redis.del(key).catch(() => undefined);
    },
  };
};

const cutOf = (text: string): string => (text.length > textMax ? `${text.slice(0, textMax)}…` : text);

/** By holder, of those that have any. @throws (rejects) the client's error when Redis does not answer */
export const readProblems = async (
  redis: Redis,
  prefix: string,
  holders: readonly string[],
): Promise<ReadonlyMap<string, ProjectorProblems>> => {
  const found = new Map<string, ProjectorProblems>();
  for (const holder of holders) {
    const text = await redis.get(keyOf(prefix, holder));
    if (text !== null) found.set(holder, JSON.parse(text) as ProjectorProblems);
  }
  return found;
};
