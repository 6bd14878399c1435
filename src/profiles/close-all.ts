/** Of what was opened, in that order. */
export type Closers = (() => void | Promise<void>)[];

/**
 * Closes what was opened, the last first, one after another. One that fails keeps none of the others open.
 * @param waiting how each is waited for
 * @throws (rejects) what the one threw that failed; an AggregateError where several did, in the order in which they were closed
 */
export const closeAll = async (
  closers: Closers,
  waiting: (closing: Promise<void>) => Promise<void> = (closing) => closing,
): Promise<void> => {
  const errors: unknown[] = [];
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
    const next = close;
    try {
      await waiting((async () => next())());
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(messageOf).join("; "));
};

/**
 * What to throw when opening failed: its error, and with it what closing the rest made worse.
 */
export const closedAfter = async (error: unknown, close: () => Promise<void>): Promise<unknown> => {
  try {
    await close();
    return error;
  } catch (closing) {
    const all = [error, ...(closing instanceof AggregateError ? (closing.errors as unknown[]) : [closing])];
    return new AggregateError(all, all.map(messageOf).join("; "), { cause: error });
  }
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
