/**
 * What is in flight, cut by barriers: a barrier waits for everything that began before it and for nothing that begins
 * later. Costs a counter per piece of work; only a barrier makes a promise.
 */
export type WriteBarrier = {
  readonly begin: () => Writes;
  readonly end: (writes: Writes) => void;
  readonly barrier: () => Promise<void>;
};
/** Those that began between two barriers. */
export type Writes = { left: number; ended?: () => void };

export const createWriteBarrier = (): WriteBarrier => new Barriers();

/** A class, since there is one for each connection: while nothing is in flight and no barrier stands it holds nothing. */
class Barriers implements WriteBarrier {
  private current: Writes | undefined = undefined;
  private earlier: Promise<void> | undefined = undefined;

  begin(): Writes {
    this.current ??= { left: 0 };
    this.current.left++;
    return this.current;
  }

  end(writes: Writes): void {
    writes.left--;
    if (writes.left === 0) writes.ended?.();
  }

  barrier(): Promise<void> {
    const [writes, before] = [this.current, this.earlier];
    if (writes === undefined || writes.left === 0) return before ?? Promise.resolve();
    this.current = undefined;
    const passed: Promise<void> = new Promise<void>((resolve) => {
      writes.ended = resolve;
    })
      .then(() => before)
      .then(() => {
        if (this.earlier === passed) this.earlier = undefined;
      });
    this.earlier = passed;
    return passed;
  }
}
