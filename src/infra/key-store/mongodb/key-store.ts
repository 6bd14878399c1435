/**
 * Data keys in MongoDB, wrapped with a master key. Accepting messages must not depend on MongoDB: a key that was known
 * is answered while MongoDB is away, and one that was not is refused at once (`while-away.ts`). Erasing must not depend
 * on luck: while MongoDB answers, every key in memory is looked for again and again, so that a destroyed one is gone
 * within `cacheMs`.
 */
import type { Db } from "mongodb";
import { LogError, type Clock, type DestroyingKeys, type KeyStore } from "../../../commands/ports.js";
import type { UserId } from "../../../domain/kernel/ids.js";
import { createBatchedLookup } from "../../../lib/batched-lookup.js";
import { createAgingKeys, type AgingKey } from "./cache.js";
import { createKeyDocuments, type Wrapped } from "./documents.js";
import { createRefresher } from "./refresher.js";
import { refusingWhileAway } from "./while-away.js";
import { markOf, requireMasterKeys, unwrap, type MasterKeys } from "../wrapping.js";

export { assertMasterKey } from "./documents.js";

/**
 * `obtain` and `find` reject with LogError `UNAVAILABLE` when MongoDB cannot be asked and the key was not known, and
 * when the master key is another one than the stored key was wrapped with; the message says which.
 */
export type MongoKeyStore = KeyStore &
  DestroyingKeys & {
    /** For one who hears that the user was erased. */
    readonly forget: (userId: UserId) => void;
    /** For one who may have missed that users were erased: looks for all keys in memory again now. */
    readonly recheck: () => void;
    readonly figures: () => MongoKeyFigures;
    /** Forgets the keys in memory; what is under way is answered first. The database stays open: it is the opener's. */
    readonly close: () => Promise<void>;
  };

export type MongoKeyFigures = {
  readonly keysCached: number;
  /** Answers from memory that are older than `cacheMs`, since MongoDB could not be asked. */
  readonly staleAnswers: number;
  /** A question to MongoDB had no answer, and none has had one since. */
  readonly isAway: boolean;
};

export type MongoKeyStoreOptions = {
  readonly db: Db;
  /** Of 32 bytes. All processes have the same: `assertMasterKey` checks them at start. */
  readonly masterKeys: MasterKeys;
  /** How long a destroyed key may live on in this process while MongoDB answers, in milliseconds. */
  readonly cacheMs?: number;
  /** How long a known key is answered while MongoDB does not, in milliseconds. */
  readonly staleMs?: number;
  /** Keys kept in memory: 100,000 are about 40 MB. */
  readonly cachedKeysMax?: number;
  readonly clock?: Clock;
  /** Told of each time that the keys in memory could not be looked for again. */
  readonly onProblem?: (error: unknown) => void;
};

/** Different ids that may wait for their key. */
const waitingMax = 10_000;

/** Never set: an age by a clock that was ahead for a moment would keep a destroyed key for as long. */
const monotonic: Clock = () => performance.now();

/** @throws Error when the master key has not 32 bytes */
export const openMongoKeyStore = (options: MongoKeyStoreOptions): MongoKeyStore => {
  const { db, cacheMs = 60_000, staleMs = 3_600_000, cachedKeysMax = 100_000, clock = monotonic, onProblem } = options;
  const masterKeys = requireMasterKeys(options.masterKeys);
  const documents = createKeyDocuments(db, masterKeys);
  const keys = createAgingKeys(cachedKeysMax, clock);
  let staleAnswers = 0;
  /** When a user was last forgotten. */
  let forgotAt = -Infinity;
  let closing: Promise<void> | undefined;

  // Each for itself: a server that cannot write may read.
  const [stored, made] = [refusingWhileAway(documents.find), refusingWhileAway(documents.obtain)];
  const isAway = (): boolean => stored.isAway() || made.isAway();
  /** Answers count from when they were asked for: a key may be destroyed while the answer is on its way. */
  const timed =
    (ask: (ids: readonly string[]) => Promise<Wrapped>) =>
    async (ids: readonly string[]): Promise<{ readonly askedAt: number; readonly found: Wrapped }> => {
      const askedAt = clock();
      return { askedAt, found: await ask(ids) };
    };
  const [findNow, obtainNow] = [timed(stored.ask), timed(made.ask)];
  const finding = createBatchedLookup(async (ids) => dated(await findNow(ids)), waitingMax);
  const obtaining = createBatchedLookup(async (ids) => dated(await obtainNow(ids)), waitingMax);
  const refresher = createRefresher({ keys, find: findNow, clock, cacheMs, staleMs, onProblem });

  const isFresh = ({ checkedAt }: AgingKey): boolean => clock() - checkedAt < cacheMs;
  const stale = (entry: AgingKey | undefined): Buffer | undefined => {
    if (entry === undefined || clock() - entry.checkedAt >= staleMs) return undefined;
    staleAnswers += 1;
    return entry.key;
  };
  const cached = (keyId: string): Buffer | undefined => {
    const entry = keys.get(keyId);
    if (entry === undefined || isFresh(entry)) return entry?.key;
    // No caller is to wait for a server that is known to be away; the refresher notices when it is back.
    return isAway() ? stale(entry) : undefined;
  };
  const asking = async (ask: typeof finding.ask, keyId: string): Promise<Buffer | undefined> => {
    const known = cached(keyId);
    if (known !== undefined) return known;
    let answer: Dated | undefined;
    try {
      answer = await ask(keyId);
    } catch (error) {
      const fallback = stale(keys.get(keyId));
      if (fallback !== undefined) return fallback;
      throw unavailable(error);
    }
    if (answer === undefined) {
      keys.drop(keyId);
      return undefined;
    }
    const { wrapped, askedAt } = answer;
    const key = opened(masterKeys, keyId, wrapped);
    // Asked for before somebody was forgotten it may be a key that is gone: it is this caller's, and is not kept.
    return askedAt > forgotAt ? keys.put(keyId, key, markOf(wrapped), askedAt) : key;
  };
  const forget = (userId: UserId): void => {
    forgotAt = clock();
    keys.dropOf(userId);
  };
  const close = async (): Promise<void> => {
    await refresher.stop();
    await Promise.all([finding.idle(), obtaining.idle(), stored.stop(), made.stop()]);
    keys.clear();
  };
  return {
    cached,
    find: (keyId) => asking(finding.ask, keyId),
    obtain: async (keyId) => (await asking(obtaining.ask, keyId)) ?? fail(keyId),
    condemn: documents.condemn,
    destroy: async (userId) => {
      const ids = await documents.destroy(userId);
      forget(userId);
      return ids;
    },
    isErased: documents.isErased,
    forget,
    recheck: refresher.recheck,
    figures: () => ({ keysCached: keys.size(), staleAnswers, isAway: isAway() }),
    close: () => (closing ??= close()),
  };
};

type Dated = { readonly wrapped: Uint8Array; readonly askedAt: number };
const dated = ({ askedAt, found }: { readonly askedAt: number; readonly found: Wrapped }) =>
  new Map([...found].map(([keyId, wrapped]): [string, Dated] => [keyId, { wrapped, askedAt }]));

/** Nothing is handed out that the master key did not open: neither garbage nor what was known before. */
const opened = (masterKeys: MasterKeys, keyId: string, wrapped: Uint8Array): Buffer => {
  try {
    return unwrap(masterKeys, keyId, wrapped);
  } catch (error) {
    throw unavailable(error);
  }
};

const unavailable = (error: unknown): LogError =>
  new LogError("UNAVAILABLE", error instanceof Error ? error.message : String(error), { cause: error });

const fail = (keyId: string): never => {
  throw new LogError("UNAVAILABLE", `no key came for ${keyId}`);
};
