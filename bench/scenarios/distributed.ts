import { randomBytes } from "node:crypto";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";
import { meanOf, timesOf, type Times } from "../load/measure.js";
import { measurePairs, pairCount, placeOf, startPairs, type PairPlace } from "../load/pair-chat.js";
import { row, type BenchContext, type Figures, type Row, type Scenario } from "../scenario.js";
import { catchUpMsMax, startCluster } from "../server/cluster.js";
import { enginesOf } from "../server/engines.js";
import { startParley } from "../server/parley.js";
import { viewsOf } from "../server/views.js";

const windows = [1, 8] as const;
const sizes = [1, 2] as const;
const floorIs =
  "the embedded profile, one process on one core: same pairs, window and load generator, before and after";

/** The pairs of `pairs` over several processes and the engines that the environment names. */
export const distributed: Scenario = {
  name: "distributed",
  summary: `${pairCount} pairs on the distributed profile, ${sizes.join(" and ")} gateways and projectors; needs engines`,
  run: async (context) => {
    const engines = enginesIn(process.env);
    if ("missing" in engines)
      return { skipped: `not set: ${engines.missing.join(", ")}. eval "$(scripts/servers start)" starts and sets all` };
    const ranOn = await enginesOf(engines.settings);
    const embedded = await startParley(context);
    try {
      const place = placeOf(embedded);
      const conversations = await startPairs(embedded);
      const floorOf = (suffix: string) =>
        eachWindow((window) =>
          measurePairs(place, { ...halfTimesOf(context), conversations, pace: { window }, keys: suffix }),
        );
      context.say("distributed: the embedded profile, before");
      const before = await floorOf("before");
      const measured = await measureClusters(context, engines.settings);
      context.say("distributed: the embedded profile, after");
      const after = await floorOf("after");
      return rowsOf(
        ranOn,
        measured,
        before.map((figures, index) => meanOf(figures, after[index] ?? figures)),
      );
    } finally {
      await embedded.stop();
    }
  },
};

const needed = [
  "PARLEY_EVENTSTORE_URL",
  "PARLEY_MONGODB_URL",
  "PARLEY_NATS_URL",
  "PARLEY_REDIS_URL",
  "PARLEY_MASTER_KEY",
  "PARLEY_TOKEN_SECRET",
] as const;
type Settings = Readonly<Record<(typeof needed)[number], string>>;

export const enginesIn = (
  environment: NodeJS.ProcessEnv,
): { readonly settings: Settings } | { readonly missing: readonly string[] } => {
  const missing = needed.filter((name) => (environment[name] ?? "") === "");
  if (missing.length > 0) return { missing };
  return { settings: Object.fromEntries(needed.map((name) => [name, environment[name] ?? ""])) as Settings };
};

/** The embedded profile is the floor here, but warms up like a server. */
const halfTimesOf = (context: BenchContext): Times => ({ ...timesOf(context), seconds: context.seconds / 2 });

type Measured = { readonly size: number; readonly figures: readonly Figures[] };

const rowsOf = (engines: string, measured: readonly Measured[], floors: readonly Figures[]): readonly Row[] =>
  measured.flatMap(({ size, figures }) =>
    windows.map((window, index) =>
      row({
        variant: `${counted(size, "gateway")}, ${counted(size, "projector")}, window ${window}`,
        engines,
        figures: figures[index] ?? {},
        floors: { embedded: { is: floorIs, figures: floors[index] ?? {} } },
      }),
    ),
  );

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

const eachWindow = async (measure: (window: number) => Promise<Figures>): Promise<readonly Figures[]> => {
  const all: Figures[] = [];
  for (const window of windows) all.push(await measure(window));
  return all;
};

/** One database and cell for all sizes, new in every run; each size has users of its own. */
const measureClusters = async (context: BenchContext, engines: Settings): Promise<readonly Measured[]> => {
  const run = randomBytes(5).toString("hex");
  const database = `parley-bench-${run}`;
  const settings = { ...engines, PARLEY_MONGODB_DATABASE: database, PARLEY_CELL: `bench-${run}` };
  try {
    const measured: Measured[] = [];
    for (const size of sizes) measured.push({ size, figures: await measureCluster(context, size, settings, run) });
    return measured;
  } finally {
    const mongo = await openMongo({ url: engines.PARLEY_MONGODB_URL, database });
    await mongo.db.dropDatabase().finally(mongo.close);
  }
};

const measureCluster = async (
  context: BenchContext,
  size: number,
  settings: Settings,
  run: string,
): Promise<readonly Figures[]> => {
  const cluster = await startCluster(context, { gateways: size, projectors: size, settings });
  try {
    const { token, urls, processes } = cluster;
    const tag = `-${run}-${size}`;
    const target = { processes, views: viewsOf(urls[0], processes[0]) };
    const place: PairPlace = { token, urls, tag, target, ownCopies: true };
    const conversations = await startPairs(cluster, tag);
    return await eachWindow((window) => {
      context.say(`distributed: ${counted(size, "gateway")}, ${counted(size, "projector")}, window ${window}`);
      return measurePairs(place, {
        ...timesOf(context),
        conversations,
        pace: { window },
        settleMsMax: catchUpMsMax,
      });
    });
  } finally {
    await cluster.stop();
  }
};
