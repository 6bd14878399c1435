import type { DistributedConfig } from "../../settings/distributed.js";
import { counted, type Check } from "./check.js";
import type { LogFacts } from "./eventstore.js";
import type { MongoFacts } from "./mongodb.js";
import { probe, type Finding } from "./probe.js";
import type { RedisFacts } from "./redis.js";
import { readStanding, type DistributedProjection, type Leases } from "../inspect/distributed.js";
import { lagEventsMax } from "../inspect/status.js";

const names = ["views", "delivery"] as const;

/** Whether the checkpoints are this log's, and how far they are behind it. */
export const lookAtProjections = async (
  { partitions }: DistributedConfig,
  log: LogFacts | undefined,
  mongo: MongoFacts | undefined,
): Promise<Finding<undefined>> => {
  if (log === undefined || mongo === undefined) {
    const says = "not looked at: that needs the log and MongoDB";
    return { checks: names.map((name) => ({ name, state: "warning", says })) };
  }
  const mend = "Look at the log and MongoDB, then ask again";
  return probe("views", { away: mend, refused: mend }, async () => {
    const { projections } = await readStanding(log.log, mongo.db, partitions);
    return { checks: projections.map(checkProjection) };
  });
};

const checkProjection = ({ name, position, head, lag, epoch, problem }: DistributedProjection): Check => {
  if (problem !== undefined) return { name, state: "wrong", says: "they do not fit the log", mend: problem };
  if (epoch === null && lag === 0) return { name, state: "ok", says: "nobody has begun, and the log is empty" };
  if (epoch === null) return { name, state: "warning", says: "not every partition has been begun", ...start };
  const far = lag >= lagEventsMax;
  const says = `at ${position} of ${head}, ${far ? `${lagEventsMax} or more events` : counted(lag, "event")} behind, same epoch`;
  if (!far) return { name, state: "ok", says };
  const watch =
    "Watch them with parley projections status --profile distributed; if they stand still, the projectors' logs say why";
  return { name, state: "warning", says, mend: watch };
};

const start = { mend: "Start a projector: parley serve --profile distributed --role projector" };

/** Whether a projector works on every partition, and all have the same number of them. */
export const lookAtProjectors = (
  { partitions }: DistributedConfig,
  redis: RedisFacts | undefined,
): Finding<undefined> => {
  const name = "projectors";
  if (redis === undefined)
    return { checks: [{ name, state: "warning", says: "not looked at: their leases are in Redis" }] };
  const { holders, ownerOf } = redis.leases;
  if (holders.length === 0) {
    const says = "none has a lease: what is accepted is neither shown nor delivered";
    return { checks: [{ name, state: "warning", says, ...start }] };
  }
  const says = holders.map((holder) => `${holder} holds ${held(redis.leases, holder)}`).join("; ");
  return { checks: [{ name, state: "ok", says }, checkPartitions(partitions, ownerOf)] };
};

const held = ({ ownerOf }: Leases, holder: string): string => {
  const own = [...ownerOf].filter(([, owner]) => owner === holder).map(([partition]) => partition);
  return own.length === 0 ? "none" : own.toSorted((a, b) => a - b).join(" ");
};

const checkPartitions = (partitions: number, ownerOf: Leases["ownerOf"]): Check => {
  const name = "partitions";
  const theirs = Math.max(-1, ...ownerOf.keys()) + 1;
  if (theirs > partitions) {
    const says = `this configuration says ${partitions}, but projectors share at least ${theirs}`;
    const mend = "Set the same PARLEY_PARTITIONS for every process, and start those anew that had another";
    return { name, state: "wrong", says, mend };
  }
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((each) => !ownerOf.has(each));
  if (free.length === 0) return { name, state: "ok", says: `each of the ${partitions} has a projector` };
  return {
    name,
    state: "warning",
    says: `nobody works on ${free.join(" ")}`,
    mend: "Ask again in 5 s, when what a dead projector left is taken over; after that PARLEY_PARTITIONS is not the same everywhere",
  };
};
