import { MongoServerError, type Collection, type Db, type Filter } from "mongodb";
import { asPosition, noPosition, type Position } from "../../../domain/kernel/stream.js";
import type { Checkpoint } from "../../../projections/ports/view-store.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { checkpointsId, collectionPrefix } from "./documents.js";
import type { Pointer } from "./generations/pointer.js";
import { untilPassing } from "./retry.js";

export type Checkpoints = {
  /** By partition; undefined for one that no projector has begun yet. As a majority has it. */
  readonly load: () => Promise<readonly (Checkpoint | undefined)[]>;
  /**
   * Moves the checkpoints of the partitions forwards, never backwards, also beside other projectors. Durable on a
   * majority, and tried a few times.
   * @throws ViewsOfAnotherLog when the views' epoch is another one; nothing is written then
   */
  readonly raise: (partitions: readonly number[], checkpoint: Checkpoint) => Promise<void>;
};

/** The views were made from another log. They hold nothing of their own, so the way out is to drop their collections. */
export class ViewsOfAnotherLog extends Error {
  readonly code = "VIEWS_UNUSABLE";

  constructor(database: string, stored: string, wanted: string) {
    super(
      `The views in MongoDB's database ${database} belong to the log with epoch ${stored}, not to this one with epoch ${wanted}. ` +
        `If this is the right log and the right database, ${dropViews(database)}`,
    );
    this.name = "ViewsOfAnotherLog";
  }
}

/** The log has lost what the views were made of: events that come now would take positions that count as done. */
export class ViewsAheadOfLog extends Error {
  readonly code = "VIEWS_UNUSABLE";

  constructor(database: string, { name, position, end }: { readonly name: string; position: number; end: number }) {
    super(
      `The checkpoint of ${name} in MongoDB's database ${database} is at ${position}, beyond the log's end at ${end}: ` +
        `the log was restored from a backup that is older than the views. Stop all processes, begin a new epoch ` +
        `(docs/OPERATIONS.md, Backup and restore), and ${dropViews(database)}`,
    );
    this.name = "ViewsAheadOfLog";
  }
}

const dropViews = (database: string): string =>
  `drop the views, which are built again from the log: mongosh <url>/${database} ` +
  `--eval 'db.getCollectionNames().filter((name) => name.startsWith("${collectionPrefix}")).forEach((name) => db.getCollection(name).drop())'. ` +
  `Do not drop the whole database: it may hold the keys of the messages' contents.`;

/**
 * All checkpoints are one document, so that one read sees one moment of them; the views' also says which generations
 * there are, where there was ever more than one.
 */
export type CheckpointDocument = { readonly _id: string; readonly epoch: string } & {
  readonly generations?: Pointer;
} & Readonly<Record<string, unknown>>;

/**
 * A partition is one only among so many: `p0of4` says that partition 0 of 4 is projected up to there, `g2_p0of4` the same
 * of the second generation. A process that works with another number of partitions starts where all partitions of some
 * number have been.
 */
export const fieldOf = (partition: number, partitions: number, prefix = ""): string =>
  `${prefix}p${partition}of${partitions}`;
const fieldPattern = /^p(\d+)of(\d+)$/;

export const checkpointDocuments = (db: Db): Collection<CheckpointDocument> =>
  db.collection<CheckpointDocument>(`${collectionPrefix}checkpoints`, {
    readConcern: { level: "majority" },
    readPreference: "primary",
    writeConcern: { w: "majority", journal: true },
  });

/**
 * Of delivery, or of the views' first generation alone (the others: generations/standing.ts).
 * @param partitions how many there are, which every projector and gateway has to say alike
 * @param name whose checkpoints: the views', or delivery's, which are kept beside them
 */
export const checkpointsOf = (
  db: Db,
  partitions: number,
  onProblem: (error: Error) => void,
  name: "views" | "delivery" = "views",
): Checkpoints => {
  const collection = checkpointDocuments(db);
  return {
    load: async () => {
      const stored = await reachable(() => collection.findOne({ _id: checkpointsId[name] }));
      return stored === null ? new Array<undefined>(partitions).fill(undefined) : positionsIn(stored, partitions);
    },
    raise: async (raised, { position, epoch }) => {
      const fields = raised.map((partition) => [fieldOf(partition, partitions), position]);
      const update = fields.length === 0 ? {} : { $max: Object.fromEntries(fields) as Record<string, number> };
      await untilPassing(() => joinIn(collection, checkpointsId[name], epoch, update), onProblem);
    },
  };
};

/**
 * Makes the epoch the views' one if they have none yet.
 * @throws ViewsOfAnotherLog when they have another
 */
export const claimEpoch = (checkpoints: Checkpoints, epoch: string): Promise<void> =>
  checkpoints.raise([], { position: noPosition, epoch });

/** Where the log ends, as seen by the node that is asked, which may follow the leader, and as the leader has it. */
export type LogEnd = { readonly head: () => Promise<Position>; readonly end: () => Promise<Position> };

/**
 * Positions beyond the log's end mean nothing. Checkpoints come first: whatever they say was in the log by then. The leader
 * is asked only where another node has not got so far.
 * @throws ViewsAheadOfLog
 * @throws whatever the log or MongoDB rejects with, which then says nothing about the views
 */
export const refuseViewsAhead = async (
  database: string,
  checkpoints: Readonly<Record<"views" | "delivery", Pick<Checkpoints, "load">>>,
  log: LogEnd,
): Promise<void> => {
  const [views, delivery] = await Promise.all([
    checkpoints.views.load().then(highestCheckpoint),
    checkpoints.delivery.load().then(highestCheckpoint),
  ]);
  if (Math.max(views, delivery) <= (await log.head())) return;
  const end = await log.end();
  for (const [name, position] of Object.entries({ views, delivery }))
    if (position > end) throw new ViewsAheadOfLog(database, { name, position, end });
};

/** 0 while no projector has begun. */
export const highestCheckpoint = (checkpoints: readonly (Checkpoint | undefined)[]): Position =>
  asPosition(Math.max(0, ...checkpoints.map((checkpoint) => checkpoint?.position ?? 0)));

export type Join = { readonly $max?: Readonly<Record<string, number>> };

/**
 * The epoch is part of the filter: where another one is stored nothing matches, and the insert of a second document with
 * the same `_id` is refused. A race of two first writers is refused the same way, and matches the second time.
 *
 * @param where what has to hold of the generations; where nothing is asked of them a missing document is inserted
 * @throws ViewsOfAnotherLog, GenerationsChanged; nothing is written then
 */
export const joinIn = async (
  collection: Collection<CheckpointDocument>,
  name: string,
  epoch: string,
  join: Join,
  where: Filter<CheckpointDocument> = {},
): Promise<void> => {
  const filter = { ...where, _id: name, epoch };
  const update = { ...join, $setOnInsert: { createdAt: new Date() } };
  try {
    const { matchedCount, upsertedCount } = await collection.updateOne(filter, update, { upsert: mayInsert(where) });
    if (matchedCount + upsertedCount > 0) return;
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === 11_000)) throw error;
    const { matchedCount } = await collection.updateOne(filter, update);
    if (matchedCount === 1) return;
  }
  const stored = await collection.findOne({ _id: name });
  if (stored?.epoch === epoch) throw new GenerationsChanged();
  throw new ViewsOfAnotherLog(collection.dbName, stored?.epoch ?? "none", epoch);
};

/** An insert would take what the filter asks for, and nothing else of the generations. */
const mayInsert = (where: Filter<CheckpointDocument>): boolean =>
  Object.keys(where).every((field) => field === "generations");

/** Only while the generations are these; before there were more than one nothing is stored of them. */
export const whileRevision = (revision: number): Filter<CheckpointDocument> =>
  revision === 0 ? { generations: { $exists: false } } : { "generations.revision": revision };

/** What was written is not all that is to be written now: who wrote begins again. */
export class GenerationsChanged extends Error {
  readonly code = "GENERATIONS_CHANGED";
  constructor() {
    super("the generations of the views are others than when this projector began");
    this.name = "GenerationsChanged";
  }
}

/** @param prefix of the generation's fields */
export const positionsIn = (
  stored: CheckpointDocument,
  partitions: number,
  prefix = "",
): readonly (Checkpoint | undefined)[] => {
  const byCount = new Map<number, number[]>();
  for (const [field, position] of Object.entries(fieldsIn(stored, prefix))) {
    const [, partition, count] = fieldPattern.exec(field.slice(prefix.length)) ?? [];
    const ofCount = byCount.get(Number(count)) ?? [];
    ofCount[Number(partition)] = position;
    byCount.set(Number(count), ofCount);
  }
  const complete = [...byCount].flatMap(([count, positions]) => smallestOf(positions, count) ?? []);
  const everywhere = complete.length === 0 ? undefined : Math.max(...complete);
  const own = byCount.get(partitions) ?? [];
  return Array.from({ length: partitions }, (_, partition) => {
    const position = own[partition] ?? everywhere;
    return position === undefined
      ? undefined
      : { position: asPosition(Math.max(position, everywhere ?? position)), epoch: stored.epoch };
  });
};

/** The checkpoints of one generation as they are stored. */
export const fieldsIn = (stored: CheckpointDocument, prefix: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(stored).filter(
      (entry): entry is [string, number] =>
        entry[0].startsWith(prefix) && fieldPattern.test(entry[0].slice(prefix.length)) && typeof entry[1] === "number",
    ),
  );

/** Undefined unless all are there. */
const smallestOf = (positions: readonly (number | undefined)[], count: number): number | undefined => {
  let smallest = Infinity;
  for (let partition = 0; partition < count; partition += 1) {
    const position = positions[partition];
    if (position === undefined) return undefined;
    smallest = Math.min(smallest, position);
  }
  return smallest;
};

/** Up to where every partition is projected; undefined while one has not begun. */
export const smallestCheckpoint = (checkpoints: readonly (Checkpoint | undefined)[]): Checkpoint | undefined => {
  let smallest: Checkpoint | undefined;
  for (const checkpoint of checkpoints) {
    if (checkpoint === undefined) return undefined;
    if (smallest === undefined || checkpoint.position < smallest.position) smallest = checkpoint;
  }
  return smallest;
};
