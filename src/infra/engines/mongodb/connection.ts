import {
  MongoBulkWriteError,
  MongoClient,
  MongoClientClosedError,
  MongoError,
  MongoExpiredSessionError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerClosedError,
  MongoServerError,
  MongoSystemError,
  MongoTopologyClosedError,
  type Db,
  type MongoClientOptions,
} from "mongodb";
import { StoreUnavailable } from "../../../projections/ports/away.js";
import { hasPassingLabel, isPassingCode } from "./passing-errors.js";

export type Mongo = {
  /** Connections that are lost are made again for as long as the process lives; its owner never opens it again. */
  readonly db: Db;
  /** @throws StoreUnavailable when the server does not answer within about two seconds. */
  readonly ping: () => Promise<void>;
  /** Ends all connections; what is under way is rejected. Repeatable. */
  readonly close: () => Promise<void>;
};

type MongoOptions = {
  /** mongodb:// or mongodb+srv://; its database is used when `database` is not given, and "parley" when it names none. */
  readonly url: string;
  readonly database?: string;
  /** Told of each heartbeat that failed, with the server's address but never with the URL: that may hold a password. */
  readonly onProblem?: (error: Error) => void;
};

/**
 * Connects to MongoDB: the one client of the process, which the views, the keys and the snapshots share.
 *
 * @throws StoreUnavailable when no server answers within about two seconds
 * @throws Error for a URL that the driver cannot read
 */
export const openMongo = async ({ url, database, onProblem }: MongoOptions): Promise<Mongo> => {
  const client = new MongoClient(url, settings);
  client.on("serverHeartbeatFailed", ({ connectionId, failure }) => {
    onProblem?.(new StoreUnavailable(`MongoDB at ${connectionId}: ${failure.message}`, { cause: failure }));
  });
  const db = client.db(database ?? databaseIn(url) ?? "parley");
  const ping = () =>
    reachable(async () => {
      await db.command({ ping: 1 });
    });
  try {
    await reachable(() => client.connect());
    await ping();
  } catch (error) {
    await client.close();
    throw error;
  }
  return { db, ping, close: () => client.close() };
};

/**
 * Fails fast: a caller who would wait for half a minute has given up long before. The limits are milliseconds. Whether
 * writes are retried by the driver is the URL's business (`retryWrites=false` for a server that is no replica set).
 */
const settings: MongoClientOptions = {
  appName: "parley",
  serverSelectionTimeoutMS: 2_000,
  connectTimeoutMS: 2_000,
  // A batch of views' changes has this long; it is repeated when it was longer.
  socketTimeoutMS: 15_000,
  waitQueueTimeoutMS: 2_000,
  // A server that is back is noticed within two seconds even when no caller asks for it.
  heartbeatFrequencyMS: 2_000,
  maxPoolSize: 32,
};

const databaseIn = (url: string): string | undefined => {
  const [, name] = /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]+)/.exec(url) ?? [];
  return name && decodeURIComponent(name);
};

/**
 * Runs work on the database. What fails because the server is away, or is just changing its primary, rejects with
 * StoreUnavailable, and what was written then is not known; everything else rejects as the driver has it.
 */
export const reachable = async <A>(work: () => Promise<A>): Promise<A> => {
  try {
    return await work();
  } catch (error) {
    throw isAway(error) ? new StoreUnavailable(`MongoDB: ${error.message}`, { cause: error }) : error;
  }
};

/** The request was well, the server was not there for it (or no longer, or not yet again). */
const isAway = (error: unknown): error is MongoError =>
  error instanceof MongoError &&
  (awayErrors.some((kind) => error instanceof kind) ||
    awayNames.has(error.name) ||
    hasPassingLabel(error) ||
    (error instanceof MongoServerError && isPassingCode(error.code)) ||
    // What a bulk write met on its way is wrapped as if it were the server's answer.
    (error instanceof MongoBulkWriteError && isAway(error.errorResponse)));

const awayErrors = [
  MongoNetworkError,
  // No server could be selected.
  MongoSystemError,
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoServerClosedError,
  MongoClientClosedError,
  MongoExpiredSessionError,
  MongoOperationTimeoutError,
] as const;

/** Those that the driver does not export: a pool without a free connection, and one that was cleared. */
const awayNames: ReadonlySet<string> = new Set([
  "MongoWaitQueueTimeoutError",
  "MongoPoolClosedError",
  "MongoPoolClearedError",
]);
