/** What a counted request is to the gateway; all but `duplicate` and `probe` are handed over. */
export type Sight = "next" | "duplicate" | "probe" | "hole" | "new sender";

export type SenderCounts = {
  /** `counter` 0 is a probe, which counts nothing. */
  readonly see: (sender: string, counter: number, nowMs: number) => Sight;
  /** The last counter taken of this sender; 0 for one that is not known. */
  readonly taken: (sender: string) => number;
};

/**
 * How far a gateway has taken what each sender counted for it. What is beyond the next number follows a hole. A sender
 * never seen takes the place of one that may have died with frames unsent, unless this gateway has only just started
 * and it is the first. One that was forgotten is never taken for a duplicate: at worst there is a hole too many.
 */
export const createSenderCounts = (options: {
  readonly startedAtMs: number;
  readonly startMs: number;
  readonly forgetMs: number;
  readonly max: number;
}): SenderCounts => {
  /** In the order in which they were last heard, so that the first is the one to be forgotten. */
  const senders = new Map<string, { readonly taken: number; readonly heardAtMs: number }>();
  let seenAny = false;

  const note = (sender: string, taken: number, nowMs: number): void => {
    senders.delete(sender);
    senders.set(sender, { taken, heardAtMs: nowMs });
    for (const [oldest, { heardAtMs }] of senders) {
      if (senders.size <= options.max && nowMs - heardAtMs <= options.forgetMs) break;
      senders.delete(oldest);
    }
  };

  return {
    see: (sender, counter, nowMs) => {
      if (counter === 0) return "probe";
      const known = senders.get(sender);
      note(sender, Math.max(counter, known?.taken ?? 0), nowMs);
      const first = !seenAny && nowMs - options.startedAtMs <= options.startMs;
      seenAny = true;
      if (known !== undefined)
        return counter <= known.taken ? "duplicate" : counter === known.taken + 1 ? "next" : "hole";
      if (counter > 1) return "hole";
      return first ? "next" : "new sender";
    },
    taken: (sender) => senders.get(sender)?.taken ?? 0,
  };
};
