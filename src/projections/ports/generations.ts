import type { Position } from "../../domain/kernel/stream.js";
import type { RowsName } from "../named.js";
import type { Key, RowChange, ViewChange, ViewName } from "../view-change.js";
import type { Checkpoint } from "./view-store.js";

/**
 * Views may be there several times: the live generation, which readers see, one that is being built beside it, and old ones
 * that are kept until they are dropped. Which one is live is a pointer; a process that serves readers takes a changed one up
 * within a second. Generations are numbered from 1, the one that a log begins with; a number is never used again while its
 * generation is there.
 */
export type Generations = {
  /** By number, ascending; none before the first start. */
  readonly list: () => Promise<readonly Generation[]>;
  /**
   * Makes an empty one, `building`. Views of other names than the plan's are to be copied into it.
   * @throws (rejects) GenerationRefused (`unfinished`) while another is building or ready, (`none`) without a live one
   */
  readonly create: (plan: BuildPlan) => Promise<Generation>;
  /** @throws (rejects) GenerationRefused (`none`) */
  readonly read: (number: number) => Promise<GenerationReader>;
  /**
   * One that nobody else writes: building, ready, or old where old ones are left as they are. `lanes`: writes under way at
   * once (1); an engine with one writer has one, whatever is asked for.
   * @throws (rejects) GenerationRefused (`none`; `live`: the live one is its runner's; `version`: of another form)
   */
  readonly write: (number: number, options?: { readonly lanes?: number }) => Promise<GenerationWriter>;
  /** It is complete up to its checkpoint, and was compared. @throws (rejects) GenerationRefused (`none`) */
  readonly markReady: (number: number) => Promise<void>;
  /** Moves the pointer: the generation is live, and the one that was is old. Repeatable. @throws (rejects) GenerationRefused (`none`) */
  readonly switchTo: (number: number) => Promise<void>;
  /** Deletes one with all its rows. Repeatable. @throws (rejects) GenerationRefused (`live`) */
  readonly drop: (number: number) => Promise<void>;
  /**
   * Who holds the claim rebuilds; it goes with its process, however that ends.
   * @throws (rejects) GenerationRefused (`claimed`) while another has it
   */
  readonly claim: () => Promise<Claim>;
  /** Asks whoever has the claim to give up. True when there was somebody. */
  readonly cancel: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export type GenerationState = "building" | "ready" | "live" | "old";

export type BuildPlan = {
  /** Built from the log; all others are copied from the live generation. */
  readonly names: readonly RowsName[];
  readonly epoch: string;
};

export type Generation = {
  readonly number: number;
  readonly state: GenerationState;
  readonly names: readonly RowsName[];
  /**
   * Where the live generation was when this one was made. Rows copied after that hold at least what the log holds up to
   * here, so of the events up to here only those of `names` are projected, of later ones all.
   */
  readonly forkedAt: Position;
  /** Up to where it holds the log; undefined before the first checkpoint. */
  readonly checkpoint: Checkpoint | undefined;
};

/** A row as it is stored: its facts, growing numbers, and registers with their versions. Null where nothing has arrived. */
export type StoredRow = Readonly<RowChange>;

export type GenerationReader = {
  readonly checkpoint: () => Promise<Checkpoint | undefined>;
  /**
   * At most `limit` rows of the view strictly after the key, each key once, in an order of the engine's own that is the same
   * in all its generations (`compare`). Rows that readers do not see yet are among them.
   */
  readonly rows: (
    view: ViewName,
    page: { readonly after?: Key; readonly limit: number },
  ) => Promise<readonly StoredRow[]>;
  /** The order of `rows`: below 0 when `a` comes before `b`. */
  readonly compare: (view: ViewName, a: Key, b: Key) => number;
  /** Those of the keys that are there, in no particular order. */
  readonly rowsAt: (view: ViewName, keys: readonly Key[]) => Promise<readonly StoredRow[]>;
  /** Rows and bytes of a view. Reads all of it, where the engine keeps no count; an engine's count may be off by a little. */
  readonly figures: (view: ViewName) => Promise<GenerationFigures>;
  readonly close: () => Promise<void>;
};

/** `bytes`: undefined where the engine does not say. */
export type GenerationFigures = { readonly rows: number; readonly bytes: number | undefined };

export type GenerationWriter = GenerationReader & {
  /**
   * As `ViewStore.apply`: joins, then the checkpoint, which after a crash is never ahead of them. None: it stays. With more
   * than one lane it resolves as soon as so few batches are under way that another may follow; what fails then rejects the
   * next call or `settled`, and nothing after it moves the checkpoint.
   */
  readonly apply: (changes: readonly ViewChange[], checkpoint?: Checkpoint) => Promise<void>;
  /** As `apply`, of rows that another thread has made ready. Of engines that have such threads. */
  readonly applyBound?: (rows: BoundRows, checkpoint: Checkpoint) => Promise<void>;
  /** Resolves when everything that was applied is written, its checkpoints too. @throws (rejects) what any of it failed with */
  readonly settled: () => Promise<void>;
};

/**
 * Changes folded to rows, each row's cells in the order of the columns of the engine whose thread made them: flat, since
 * arrays of texts and numbers cross threads four times faster than objects do.
 */
export type BoundRows = readonly { readonly view: ViewName; readonly cells: readonly (string | number | null)[] }[];

export type Claim = {
  /** Whether somebody asked to give up. Cheap: asked before each page. */
  readonly isCancelled: () => Promise<boolean>;
  readonly release: () => Promise<void>;
};

/** What is not done with generations, and what to do instead. */
export class GenerationRefused extends Error {
  constructor(
    readonly code: "none" | "live" | "unfinished" | "claimed" | "version" | "epoch" | "unclear",
    message: string,
  ) {
    super(message);
    this.name = "GenerationRefused";
  }
}
