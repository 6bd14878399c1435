import { asError } from "../../lib/errors.js";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";

export type JwksKeysOptions = {
  /** Where the provider publishes its keys; http or https. */
  readonly url: string;
  /** Told why the keys could not be fetched; at most once per attempt. */
  readonly onProblem?: (error: Error) => void;
  readonly timings?: Partial<JwksTimings>;
};

export type JwksTimings = {
  /** Fetched keys count as new for so long: while the provider answers, a key that it has withdrawn passes no longer than this. */
  readonly freshMs: number;
  /** At most one attempt in this time: tokens with invented kids must not make a storm of requests of us. */
  readonly coolDownMs: number;
  /** Of one attempt, body included. */
  readonly timeoutMs: number;
};

const defaults: JwksTimings = { freshMs: 10 * 60_000, coolDownMs: 10_000, timeoutMs: 5_000 };

/** A set of a hundred keys is some 50 KiB. */
const bytesMax = 1024 * 1024;

/** Whether a key is right cannot be said: it is not among the known ones, and the provider does not answer. */
export class KeysUnavailable extends Error {
  constructor(cause: Error) {
    super("the JWKS could not be fetched", { cause });
    this.name = "KeysUnavailable";
  }
}

type Keys = { readonly of: ReturnType<typeof createLocalJWKSet>; readonly fetchedAt: number };
type State = {
  keys: Keys | undefined;
  /** When the last attempt began; undefined before the first. */
  triedAt: number | undefined;
  /** What the last attempt ended with. */
  failure: Error | undefined;
  fetching: Promise<void> | undefined;
};

/**
 * A provider's keys, kept (jose's own cache refuses known keys when they are old and the provider is down):
 * - A known key passes whether the provider answers or not. Old keys are fetched again first; where that has failed,
 *   they are used as they are, and later attempts hold up no token.
 * - An unknown kid has them fetched again, since keys rotate; not more often than once in `coolDownMs`.
 *
 * Rejects with jose's errors, and with `KeysUnavailable` when a key is unknown and the last attempt has failed.
 *
 * @throws TypeError when `url` is not an http(s) URL
 */
export const createJwksKeys = (options: JwksKeysOptions, clock: () => number): JWTVerifyGetKey => {
  const url = new URL(options.url);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`the address of a JWKS is http or https: ${options.url}`);
  const timings = { ...defaults, ...options.timings };
  const state: State = { keys: undefined, triedAt: undefined, failure: undefined, fetching: undefined };

  /** A clock that is set back must not keep us from asking for as long. */
  const since = (then: number): number => Math.abs(clock() - then);

  const attempt = async (): Promise<void> => {
    state.triedAt = clock();
    try {
      const of = createLocalJWKSet(await fetchKeys(url, timings.timeoutMs));
      state.keys = { of, fetchedAt: clock() };
      state.failure = undefined;
    } catch (error) {
      state.failure = asError(error);
      options.onProblem?.(state.failure);
    } finally {
      state.fetching = undefined;
    }
  };
  /** One attempt for all callers that wait; none during the cool-down. Never rejects. */
  const refresh = (): Promise<void> => {
    if (state.fetching !== undefined) return state.fetching;
    if (state.triedAt !== undefined && since(state.triedAt) < timings.coolDownMs) return Promise.resolve();
    return (state.fetching = attempt());
  };
  const isOld = ({ fetchedAt }: Keys): boolean => since(fetchedAt) >= timings.freshMs;

  return async (header, token) => {
    if (state.keys === undefined) await refresh();
    else if (isOld(state.keys)) {
      const refreshed = refresh();
      if (state.failure === undefined) await refreshed;
    }
    const known = await find(state, header, token);
    if (known !== undefined) return known;
    await refresh();
    const fetched = await find(state, header, token);
    if (fetched !== undefined) return fetched;
    throw state.failure === undefined ? new errors.JWKSNoMatchingKey() : new KeysUnavailable(state.failure);
  };
};

/** Undefined when no known key is the token's. */
const find = async ({ keys }: State, ...[header, token]: Parameters<JWTVerifyGetKey>) => {
  try {
    return await keys?.of(header, token);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined;
    throw error;
  }
};

/** Rejects when the answer is late, too large or no key set; redirects are not followed: they could lead anywhere. */
const fetchKeys = async (url: URL, timeoutMs: number): Promise<JSONWebKeySet> => {
  const response = await fetch(url, {
    headers: { accept: "application/json, application/jwk-set+json" },
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url.origin}${url.pathname} answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`${url.origin}${url.pathname} answered more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  // jose refuses what is no key set.
  return JSON.parse(Buffer.concat(chunks).toString()) as JSONWebKeySet;
};
