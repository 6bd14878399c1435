import { laterOf, noPosition, type Position } from "../../../domain/kernel/stream.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import { generationPath, readGenerationList, writeGenerationList } from "./generation-files.js";
import { switched } from "./generations.js";
import type { SqliteViews } from "./view-store.js";

export type SwitchableViews = SqliteViews & {
  /**
   * Serves readers from another generation, when it holds all that the one that they are served from does: nobody sees less
   * than before. The generation of before stays as it is.
   * @returns the number of the generation of before
   * @throws (rejects) Error when the generation cannot be opened, or does not come so far; nothing has changed then
   */
  readonly switchTo: (number: number) => Promise<number>;
};

/** A generation that a rebuild has made is behind by what was written since: seconds, where the machine is busy. */
const catchUpMsMax = 120_000;
/** The rest, when the one of before stands still: a batch or two. Readers that wait for something newer wait so long. */
const lastMsMax = 10_000;

/** Opens the live generation of the directory; `open` opens a file, and is used again for each that is switched to. */
export const openSwitchableViews = async (
  dir: string,
  open: (path: string) => Promise<SqliteViews>,
): Promise<SwitchableViews> => {
  let current = await open(generationPath(dir, readGenerationList(dir).live));
  let next: SqliteViews | undefined;
  let head: Position = noPosition;
  let switching: Promise<number> | undefined;
  let isClosed = false;

  const { promise: failed, resolve: fail } = deferred<Error>();
  const watch = (views: SqliteViews): void =>
    void views.failed.then((error) => {
      if (views === current) fail(error);
    });
  watch(current);

  const change = async (number: number): Promise<number> => {
    const list = readGenerationList(dir);
    if (list.live === number) return number;
    if (!list.beside.some((kept) => kept.number === number)) throw new Error(`there is no generation ${number}`);
    const opened = await open(generationPath(dir, number));
    let halted: SqliteViews | undefined;
    try {
      if (isClosed) throw new Error("the server ends");
      next = opened;
      opened.wake(head);
      const upTo = laterOf(opened.opened, current.reached());
      if (!(await opened.awaitCaughtUp(upTo, catchUpMsMax))) throw tooFarBehind(number);
      // What stands still is not ahead of what main has heard: nobody has read beyond where the new one is then.
      halted = current;
      if (!(await opened.awaitCaughtUp(await current.halt(), lastMsMax))) throw tooFarBehind(number);
      await writeGenerationList(dir, switched(list, number));
    } catch (error) {
      next = undefined;
      await halted?.goOn();
      await opened.close();
      throw error;
    }
    const before = current;
    current = opened;
    next = undefined;
    watch(current);
    // Reads that were asked of it are answered first.
    await before.close();
    return list.live;
  };

  return {
    store: storeOf(() => current),
    awaitCaughtUp: async (position, timeoutMs) => {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const asked = current;
        if (await asked.awaitCaughtUp(position, until - performance.now())) return true;
        // It gave up because another took its place: that one is asked for the rest of the time.
        if (asked === current) return false;
      }
    },
    reached: () => current.reached(),
    wake: (position) => {
      head = laterOf(head, position);
      current.wake(position);
      next?.wake(position);
    },
    checkpoint: () => current.checkpoint(),
    lag: () => current.lag(),
    opened: current.opened,
    replaced: current.replaced,
    problem: () => current.problem(),
    repair: (at, replacements) => current.repair(at, replacements),
    halt: () => current.halt(),
    goOn: () => current.goOn(),
    failed,
    switchTo: (number) => {
      if (isClosed || switching !== undefined)
        return Promise.reject(new Error(isClosed ? "the server ends" : "another switch is under way"));
      switching = change(number).finally(() => {
        switching = undefined;
      });
      return switching;
    },
    close: async () => {
      isClosed = true;
      // A switch under way ends by itself soon: what it waits for ends with the views.
      await next?.close();
      await switching?.catch(() => undefined);
      await current.close();
    },
  };
};

const deferred = <A>() => {
  let resolve: (value: A) => void = () => undefined;
  const promise = new Promise<A>((done) => (resolve = done));
  return {
    promise,
    resolve: (value: A): void => {
      resolve(value);
    },
  };
};

const tooFarBehind = (number: number): Error =>
  new Error(`generation ${number} does not come up with the views that are served; run the rebuild again`);

/** Each call goes to the generation of the moment. */
const storeOf = (current: () => SqliteViews): SqliteViews["store"] => {
  const read = <Name extends keyof ViewReads>(name: Name) =>
    ((...args: Parameters<ViewReads[Name]>) =>
      (current().store.reads[name] as (...args: Parameters<ViewReads[Name]>) => unknown)(...args)) as ViewReads[Name];
  return {
    apply: (changes, checkpoint) => current().store.apply(changes, checkpoint),
    checkpoint: () => current().store.checkpoint(),
    reads: {
      inbox: read("inbox"),
      summaries: read("summaries"),
      touchedSince: read("touchedSince"),
      members: read("members"),
      messages: read("messages"),
      messagesAt: read("messagesAt"),
      messageById: read("messageById"),
      receiptCounts: read("receiptCounts"),
      receiptsOf: read("receiptsOf"),
      membershipSteps: read("membershipSteps"),
      user: read("user"),
      devices: read("devices"),
      erasedAfter: read("erasedAfter"),
      erasedAmong: read("erasedAmong"),
    },
  };
};
