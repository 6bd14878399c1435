import { within } from "../../lib/time.js";
import { tlsProblem } from "../../infra/engines/tls-problem.js";
import { closeAll, type Closers } from "../../profiles/close-all.js";
import { reasonOf } from "../../lib/errors.js";
import type { Check } from "./check.js";
import { isRefusal, isUnreadableFile } from "../../infra/engines/refusals.js";

/** What was seen of one engine; without facts nothing that rests on them can be judged. */
export type Finding<A> = { readonly checks: readonly Check[]; readonly facts?: A };

export const probeMsMax = 5_000;
/** Engines that are away do not answer a goodbye either. */
const closeMsMax = 500;

/** What to do about a server that does not answer, one that answers that it does not let us in, and one without trust. */
export type Mends = { readonly away: string; readonly refused: string; readonly tls?: string };

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
    const tls = tlsProblem(error);
    const reason = reasonOf(error);
    const says = tls === undefined || reason.includes(tls) ? reason : `the server is there, but ${tls} (${reason})`;
    return { checks: [{ name, state: "wrong", says, mend: mends[mendOf(error)] ?? mends.away }] };
  }
};

const mendOf = (error: unknown): keyof Mends => {
  if (isRefusal(error)) return "refused";
  return tlsProblem(error) !== undefined || isUnreadableFile(error) ? "tls" : "away";
};

/** Closes what was opened, the last first. What fails or is late is left to the end of the process. */
export const closeQuietly = async (closers: Closers): Promise<void> => {
  // No operator has to hear of it: what was asked for is known by now.
  await within(closeAll(closers), closeMsMax).catch(() => undefined);
};
