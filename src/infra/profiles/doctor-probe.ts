import { inTime } from "../in-time.js";
import { reasonOf, type Check } from "./doctor-check.js";

/** What was seen of one engine; without facts nothing that rests on them can be judged. */
export type Finding<A> = { readonly checks: readonly Check[]; readonly facts?: A };

export const probeMsMax = 5_000;
/** Engines that are away do not answer a goodbye either. */
const closeMsMax = 500;

/**
 * Looks at one engine for at most `probeMsMax`. Whatever keeps it from answering is wrong, with the mend given; what is
 * late goes on in the background, which ends with the process. Never rejects.
 */
export const probe = async <A>(
  name: string,
  mend: string,
  look: () => Finding<A> | Promise<Finding<A>>,
): Promise<Finding<A>> => {
  try {
    return await within(Promise.resolve().then(look), probeMsMax);
  } catch (error) {
    return { checks: [{ name, state: "wrong", says: reasonOf(error), mend }] };
  }
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
