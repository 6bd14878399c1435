import { laterOf, type Position } from "../../../domain/kernel/stream.js";
import type { Replacement } from "../../../projections/ports/stored-rows.js";
import type { Checkpoint, ViewReads, ViewStore } from "../../../projections/ports/view-store.js";
import type { ViewChange } from "../../../projections/view-change.js";
import { callWorker, WorkerError, type WorkerClient } from "../../engines/worker.js";
import { stillBuilding } from "../still-building.js";
import { createPositionWaiters } from "../position-waiters.js";

/** What `profiles/views.worker.ts` answers to: the reads by name, and these. */
export type ViewsHandlers = {
  /** Opens the files and starts the runner. Everything else comes after it. */
  readonly start: () => Promise<OpenedViews>;
  readonly apply: (changes: readonly ViewChange[], checkpoint: Checkpoint) => void;
  readonly checkpoint: () => Checkpoint | undefined;
  readonly read: (name: keyof ViewReads, args: readonly unknown[]) => unknown;
  /** Between two batches of the runner: `projections/reconcile/repair.ts`. */
  readonly repair: (at: Position, replacements: readonly Replacement[]) => Promise<void>;
  /** Ends the runner; reads go on, at the checkpoint that this answers. */
  readonly halt: () => Promise<Checkpoint>;
  /** After `halt`. */
  readonly goOn: () => void;
  /** Ends the runner and closes the files. */
  readonly stop: () => Promise<void>;
};

/**
 * Where the views are, and where the log ends, when they are opened. `replaced`: there were older ones, which are gone.
 */
export type OpenedViews = { readonly from: Checkpoint; readonly head: Position; readonly replaced: boolean };

/** What the worker is told without being asked to answer. */
export type ToViews = { readonly wake: Position } | { readonly hurry: Position };
/** What the worker says by itself. */
export type FromViews =
  | { readonly checkpoint: Checkpoint }
  /** Null: they go on. */
  | { readonly problem: string | null }
  | { readonly failure: string };

export type ViewsWorkerData = { readonly path: string; readonly logPath: string; readonly epoch: string };

export type SqliteViews = {
  readonly store: ViewStore;
  /** True as soon as the views hold everything up to the position; false when the time is up or they have stopped. */
  readonly awaitCaughtUp: (position: Position, timeoutMs: number) => Promise<boolean>;
  readonly reached: () => Position;
  /** The log has grown up to here. Cheap: at most one message a batch crosses to the worker. */
  readonly wake: (head: Position) => void;
  readonly checkpoint: () => Checkpoint;
  /** Positions between the views and the newest head that `wake` has told. */
  readonly lag: () => number;
  /** The log's head when they were opened: before they hold it, they are not there for readers. */
  readonly opened: Position;
  /** There were views of an older version: these are built in their place. */
  readonly replaced: boolean;
  readonly problem: () => string | undefined;
  /** Puts rows, as they have to be as of the position, in the place of those stored. Rejects with MovedOn: look again. */
  readonly repair: (at: Position, replacements: readonly Replacement[]) => Promise<void>;
  /** Stands still from then on, for readers too, at the position that this answers. */
  readonly halt: () => Promise<Position>;
  /** After `halt`. */
  readonly goOn: () => Promise<void>;
  /** Resolves when the views stop by themselves: an event that cannot be projected, or a dead worker. */
  readonly failed: Promise<Error>;
  /** Waits for the batch under way. */
  readonly close: () => Promise<void>;
};

/** Of the views' thread. A replay costs the same with 48, which V8 would come to, and a twentieth more with 8. */
const youngMb = 12;

/**
 * Opens the views in a worker of their own, which reads the log's file by itself. Those of an older version are deleted,
 * and built anew from the log.
 *
 * @throws VIEWS_UNUSABLE when the file belongs to another log, to a newer version of Parley, or is ahead of its log; the
 * message names what to delete. Views hold nothing that the log does not.
 * @param workerFile the worker's compiled file: its caller puts it together, with what projects
 * @param onProblem told of each try that fails, and with undefined when they go on
 */
export const openSqliteViews = async (
  workerFile: URL,
  options: ViewsWorkerData,
  onProblem: (problem: string | undefined) => void = () => undefined,
): Promise<SqliteViews> => {
  const worker = callWorker<ViewsHandlers>(workerFile, options, { name: "parley-views", youngMb });
  try {
    return viewsOf(worker, await worker.call("start"), onProblem);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
};

const viewsOf = (
  worker: WorkerClient<ViewsHandlers>,
  { from: started, head: opened, replaced }: OpenedViews,
  onProblem: (problem: string | undefined) => void,
): SqliteViews => {
  const waiters = createPositionWaiters(started.position);
  let checkpoint = started;
  let head = started.position;
  /** The newest head that the worker was told: while it is on its way there, it need not be told again. */
  let told = started.position;
  let closing: Promise<void> | undefined;
  let failing: string | undefined;
  let stopped: string | undefined;
  const setFailing = (problem: string | undefined): void => {
    if (problem === undefined && failing === undefined) return;
    failing = problem;
    onProblem(problem);
  };
  const tell = (message: ToViews): void => {
    worker.post(message);
  };
  const tellHead = (): void => {
    if (head <= told || checkpoint.position < told) return;
    told = head;
    tell({ wake: head });
  };

  const failed = new Promise<Error>((resolve) => {
    worker.onMessage((message) => {
      const said = message as FromViews;
      if ("failure" in said) {
        resolve(new Error(said.failure));
        return;
      }
      if ("problem" in said) {
        setFailing(said.problem ?? undefined);
        return;
      }
      // Views that have moved go on. Before waiters are answered: a reader that has waited asks at once whether they do.
      setFailing(undefined);
      checkpoint = said.checkpoint;
      waiters.reached(checkpoint.position);
      tellHead();
    });
    void worker.failed.then(resolve);
  });
  void failed.then((error) => {
    stopped = error.message;
    waiters.giveUp();
  });

  return {
    store: storeOf(worker),
    awaitCaughtUp: (position, timeoutMs) => {
      if (position > checkpoint.position) tell({ hurry: position });
      return waiters.wait(position, timeoutMs);
    },
    wake: (position) => {
      head = laterOf(head, position);
      tellHead();
    },
    reached: () => checkpoint.position,
    checkpoint: () => checkpoint,
    lag: () => Math.max(0, head - checkpoint.position),
    opened,
    replaced,
    problem: () => stopped ?? failing ?? stillBuilding(checkpoint.position, opened),
    repair: (at, replacements) => worker.call("repair", at, replacements),
    halt: async () => (await worker.call("halt")).position,
    goOn: () => worker.call("goOn"),
    failed,
    close: () => {
      waiters.giveUp();
      return (closing ??= closed(worker));
    },
  };
};

const closed = async (worker: WorkerClient<ViewsHandlers>): Promise<void> => {
  try {
    await worker.call("stop");
  } catch (error) {
    // A worker that has died has nothing left to close, and `failed` has said why.
    if (!(error instanceof WorkerError && error.code === "WORKER_GONE")) throw error;
  } finally {
    await worker.terminate();
  }
};

const storeOf = (worker: WorkerClient<ViewsHandlers>): ViewStore => {
  const read =
    <Name extends keyof ViewReads>(name: Name) =>
    (...args: Parameters<ViewReads[Name]>) =>
      worker.call("read", name, args) as ReturnType<ViewReads[Name]>;
  return {
    apply: (changes, checkpoint) => worker.call("apply", changes, checkpoint),
    checkpoint: () => worker.call("checkpoint"),
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
