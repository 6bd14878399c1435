import { inTime } from "../in-time.js";
import { reasonOf, type Check } from "./doctor-check.js";

/** What was seen of one engine; without facts nothing that rests on them can be judged. */
export type Finding<A> = { readonly checks: readonly Check[]; readonly facts?: A };

export const probeMsMax = 5_000;
/** Engines that are away do not answer a goodbye either. */
const closeMsMax = 500;

/** What to do about a server that does not answer, and about one that answers that it does not let us in. */
export type Mends = { readonly away: string; readonly refused: string };

/**
 * Looks at one engine for at most `probeMsMax`. Whatever keeps it from answering is wrong, with the mend that fits; what is
 * late goes on in the background, which ends with the process. Never rejects.
 */
export const probe = async <A>(
  name: string,
  mends: Mends,
  look: () => Finding<A> | Promise<Finding<A>>,
): Promise<Finding<A>> => {
  try {
    return await within(Promise.resolve().then(look), probeMsMax);
  } catch (error) {
    const mend = isRefusal(error) ? mends.refused : mends.away;
    return { checks: [{ name, state: "wrong", says: reasonOf(error), mend }] };
  }
};

/** In the words and codes of Redis, NATS, MongoDB, S3 and our adapter for EventStoreDB. */
const refusals =
  /\b(WRONGPASS|NOAUTH|NOPERM|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch)\b|(authorization|permissions)[ _]violation|authentication (failed|expired|timeout)|not authorized|requires authentication|refuses the user/i;

/** Whether the server is there and does not take our user, password, token or keys. */
const isRefusal = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return refusals.test(`${code} ${error.message}`) || isRefusal(error.cause);
};

/** @throws Error when the work has no result in that time; it is not ended by that. */
export const within = <A>(work: Promise<A>, ms: number): Promise<A> =>
  inTime(work, ms, (): never => {
    throw new Error(`no answer within ${ms / 1_000} s`);
  });

/** Closes what was opened, the last first. What fails or is late is left to the end of the process. */
export const closeAll = async (closers: (() => void | Promise<void>)[]): Promise<void> => {
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next();
  };
  // There is nobody to tell: what was asked for is known by now.
  await within(close(), closeMsMax).catch(() => undefined);
};
