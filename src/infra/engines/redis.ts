import { Redis, ReplyError } from "ioredis";
import { StoreUnavailable } from "../../projections/ports/away.js";
import { backoffMs } from "../../lib/retry.js";

export type OpenedRedis = {
  /** Connections that are lost are made again for as long as the process lives; its owner never opens it again. */
  readonly redis: Redis;
  /** @throws StoreUnavailable when the server does not answer within `commandMsMax` */
  readonly ping: () => Promise<void>;
  /** Ends the connection; what is under way is rejected. Repeatable. */
  readonly close: () => void;
  /** Whether commands are sent at all now: connected, and the server has said that it is ready. */
  readonly available: () => boolean;
};

export type RedisOptions = {
  /** redis:// or rediss:// (TLS), with user, password and database where needed. */
  readonly url: string;
  /** Told of each attempt to connect that failed and of each connection that broke. Never has the URL's password. */
  readonly onProblem: (error: Error) => void;
};

/** A command that has no answer by then is rejected; it may have run. */
export const commandMsMax = 400;
const connectMsMax = 1_000;
/** A connection that is silent for so long under a pending command is given up: what waits in it must not pile up. */
const silenceMsMax = 2_000;
/** Shorter than a lease of partitions: those that lost Redis together are back together. */
const reconnecting = { msMin: 50, msMax: 1_000, steady: 0.5 };

/**
 * Connects to Redis: the one client of the process. Resolves when the server is ready or the first attempt has failed,
 * after about two seconds at most: a process starts while Redis is away, and its commands are rejected at once until it
 * is there.
 *
 * @throws TypeError for a URL that is not redis:// or rediss://
 */
export const openRedis = async ({ url, onProblem }: RedisOptions): Promise<OpenedRedis> => {
  if (!/^rediss?:\/\//.test(url)) throw new TypeError("the address of Redis starts with redis:// or rediss://");
  const redis = new Redis(url, settings);
  let problem: StoreUnavailable | undefined;
  redis.on("error", (error: Error) => {
    problem = new StoreUnavailable(`Redis: ${messageOf(error)}`, { cause: error });
    onProblem(problem);
  });
  redis.on("ready", () => (problem = undefined));
  await new Promise<void>((resolve) => {
    redis.once("ready", resolve).once("close", resolve);
  });
  let closed = false;
  // After `close` the client's own status changes only when the socket has closed.
  const available = () => !closed && redis.status === "ready";
  return {
    redis,
    ping: async () => {
      // Why there is no connection says more than that there is none.
      if (!available() && problem !== undefined) throw problem;
      await answered(() => redis.ping());
    },
    close: () => {
      closed = true;
      redis.disconnect();
    },
    available,
  };
};

/** Fails fast: a caller who would wait has a defined behaviour without Redis, and takes that. */
const settings = {
  connectionName: "parley",
  enableOfflineQueue: false,
  // What was under way when a connection broke is rejected and never sent a second time: it may have run.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: commandMsMax,
  connectTimeout: connectMsMax,
  socketTimeout: silenceMsMax,
  retryStrategy: (attempt: number): number => backoffMs(attempt, reconnecting),
} as const;

export type Script = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;

/**
 * A Lua script as a function: sent by its digest, and whole when the server does not have it (new, restarted, flushed).
 * Rejects with StoreUnavailable while Redis is away; it may have run then.
 */
export const defineScript = (redis: Redis, name: string, lua: string): Script => {
  redis.defineCommand(name, { lua });
  const command = Reflect.get(redis, name) as (...args: readonly (string | number)[]) => Promise<unknown>;
  return (keys, args) => answered(() => command.call(redis, keys.length, ...keys, ...args));
};

/** Awaits an answer; what fails because the server is away, or cannot serve now, rejects with StoreUnavailable. */
export const answered = async <A>(command: () => Promise<A>): Promise<A> => {
  try {
    return await command();
  } catch (error) {
    if (!isAway(error)) throw error;
    throw new StoreUnavailable(`Redis: ${messageOf(error)}`, { cause: error });
  }
};

/** Everything but the server's answer that the command itself is wrong. */
const isAway = (error: unknown): boolean => !(error instanceof ReplyError) || awayReplies.test(messageOf(error));

/** The server is starting, a replica, full, failing over, not persisting, busy, or does not let us in (yet). */
const awayReplies = /^(LOADING|READONLY|MASTERDOWN|OOM|CLUSTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|BUSY|NOAUTH|NOPERM)\b/;

/** Attempts on several addresses of one name fail together, and then without a message of their own. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
};
