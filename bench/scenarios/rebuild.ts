import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";
import { mongoGenerations } from "../../src/infra/view-store/mongodb/generations/generations.js";
import { sqliteGenerations } from "../../src/infra/view-store/sqlite/generations.js";
import type { Generations, GenerationState } from "../../src/projections/ports/generations.js";
import { figure, timesOf } from "../load/measure.js";
import { measurePairs, placeOf, startPairs, type PairPlace } from "../load/pair-chat.js";
import type { Seed } from "../log/seed.js";
import { goal, row, scaled, type BenchContext, type Figures, type Row, type Scenario } from "../scenario.js";
import { startCluster } from "../server/cluster.js";
import { enginesOf } from "../server/engines.js";
import { startEventStoreServer } from "../server/eventstore-server.js";
import { endsWithThis } from "../server/left-behind.js";
import { ownCli, withoutSettings, type ParleyServer } from "../server/parley.js";
import { viewsOf, type Views } from "../server/views.js";
import { enginesIn } from "./distributed.js";
import { withSeededDirectory, withSeededServer } from "./seeded.js";

const events = 1_000_000;
const messagesEach = 998;
const pairs = 50;
/** Of what the live generation holds when it begins: there the rebuild is killed. */
const killedAt = [1 / 3, 2 / 3];
const waitMsMax = 3_600_000;
const partitions = 8;

type Rebuilt = {
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly parallel: number;
  readonly different: number;
  readonly switched: boolean;
};

/** A log that is there, a Parley that serves it, and how its views are built anew. */
type Beside = {
  readonly place: PairPlace;
  readonly views: Views;
  readonly server: Pick<ParleyServer, "post">;
  readonly logEvents: number;
  readonly perSecond: number;
  readonly engines?: string;
  /** Of `parley projections rebuild all`: which Parley. */
  readonly flags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly generations: Pick<Generations, "list">;
};

/** Views are built anew beside a server, by a process that is killed twice, while pairs chat. */
export const rebuild: Scenario = {
  name: "rebuild",
  summary: `views of ${events} events built anew while ${pairs} pairs chat; killed twice, resumed, switched to`,
  ofThisBuildOnly: true,
  run: (context) =>
    withSeededServer(context, seedOf(context), async (server, seeded, directory) => {
      const generations = sqliteGenerations(directory);
      const place = placeOf(server);
      const given = { flags: ["--data", directory], env: withoutSettings(process.env), generations, perSecond: 200 };
      const views = viewsOf(server.url, server);
      return [await rebuiltBeside(context, { ...given, place, views, server, logEvents: seeded.events })];
    }),
};

/** The same on engines; the log alone is a stand-in of our own, because it is written before anything is measured. */
export const rebuildDistributed: Scenario = {
  name: "rebuild-distributed",
  summary: `the same on the distributed profile, one gateway and one projector; needs engines, but for the log`,
  ofThisBuildOnly: true,
  run: async (context) => {
    const engines = enginesIn({ PARLEY_EVENTSTORE_URL: "made", ...process.env });
    if ("missing" in engines) return { skipped: `not set: ${engines.missing.join(", ")}` };
    const run = randomBytes(5).toString("hex");
    const [database, home] = [`parley-bench-${run}`, `bench-${run}`];
    const seed = { ...seedOf(context), home };
    return withSeededDirectory(context, seed, async (directory, seeded) => {
      const log = await startEventStoreServer(context, "prebuilt", directory);
      const settings = {
        ...{ ...engines.settings, PARLEY_EVENTSTORE_URL: log.url, PARLEY_CELL: home },
        PARLEY_MONGODB_DATABASE: database,
        PARLEY_PARTITIONS: String(partitions),
      };
      const mongo = await openMongo({ url: settings.PARLEY_MONGODB_URL, database });
      try {
        const cluster = await startCluster(context, { gateways: 1, projectors: 1, settings });
        try {
          const { urls, token, processes } = cluster;
          // Their lag is asked for only before anything is measured: engines that a rebuild keeps busy may be late to tell it.
          const target = { processes };
          const given = {
            ...{ place: { token, urls, tag: `-${run}`, target, ownCopies: true }, server: cluster, perSecond: 50 },
            ...{ flags: ["--profile", "distributed"], env: { ...withoutSettings(process.env), ...settings } },
            generations: mongoGenerations({ db: mongo.db, partitions }),
            views: viewsOf(urls[0], processes[0]),
            engines: `${logIs}; ${await enginesOf(settings)}`,
          };
          return [await rebuiltBeside(context, { ...given, logEvents: seeded.events })];
        } finally {
          await cluster.stop();
        }
      } finally {
        await mongo.db.dropDatabase().finally(mongo.close);
        await log.stop();
      }
    });
  },
};

const logIs = "the log: the embedded one's gRPC port";

const seedOf = (context: BenchContext): Seed => ({
  conversations: Math.max(1, Math.round(scaled(context, events) / (messagesEach + 2))),
  messagesEach,
});

const rebuiltBeside = async (context: BenchContext, given: Beside): Promise<Row> => {
  const { place, views, server, logEvents, perSecond, engines } = given;
  context.say("  the first views");
  await until(async () => (await views.lagEvents().catch(() => 1)) === 0, "the first views");
  const chats = (await startPairs(server, place.tag)).slice(0, pairs);
  const load = { ...timesOf(context), conversations: chats, pace: { perSecond } };
  const measured = (keys: string): Promise<Figures> => measurePairs({ ...place, pairs }, { ...load, keys });
  context.say("  before");
  const before = await measured("-before");
  context.say("  during");
  const began = performance.now();
  const state: { rebuilt?: Rebuilt; failed?: unknown } = {};
  const working = rebuiltIn(context, given).then(
    (rebuilt) => (state.rebuilt = rebuilt),
    (error: unknown) => (state.failed = error),
  );
  const during: Figures[] = [];
  for (let round = 0; state.rebuilt === undefined && state.failed === undefined; round += 1)
    during.push(await measured(`-during${round}`));
  await working;
  const { rebuilt } = state;
  if (rebuilt === undefined) throw state.failed;
  const worst = (name: string): number => Math.max(...during.map((each) => figure(each, name)));
  const figures = {
    ...{ logEvents, pairs, messagesPerSecond: figure(before, "messagesPerSecond") },
    ...{ sendP50MsBefore: figure(before, "ackP50Ms"), sendP50MsDuring: worst("ackP50Ms") },
    ...{ sendP99MsBefore: figure(before, "ackP99Ms"), sendP99MsDuring: worst("ackP99Ms") },
    // One would have ended the run.
    clientErrors: 0,
    ...{ kills: killedAt.length, rebuiltEventsPerSecond: rebuilt.eventsPerSecond, parallel: rebuilt.parallel },
    ...{ rowsDifferent: rebuilt.different, switched: Number(rebuilt.switched) },
    secondsWithKills: (performance.now() - began) / 1_000,
  };
  const goals = [goal("rows that differ", rebuilt.different, { atMost: 0 })];
  return row({ variant: "all names", ...(engines === undefined ? {} : { engines }), figures, floors: {}, goals });
};

/** Kills it behind each share of the log; the last one is left to finish. */
const rebuiltIn = async (context: BenchContext, given: Beside): Promise<Rebuilt> => {
  for (const share of killedAt) {
    const { child } = started(context, given);
    const exited = once(child, "exit");
    await until(async () => child.exitCode !== null || (await builtShare(given)) > share, "the rebuild");
    child.kill("SIGKILL");
    await exited;
  }
  const { child, said } = started(context, given);
  const [[code], out] = await Promise.all([once(child, "exit") as Promise<[number | null]>, said]);
  if (code !== 0) throw new Error(`parley projections rebuild ended with ${code}: ${out}`);
  return (JSON.parse(out) as { readonly rebuilt: Rebuilt }).rebuilt;
};

/** On whatever core is free: this process, which it would inherit its own from, is the load. */
const started = (context: BenchContext, { flags, env }: Beside) => {
  const cores = Object.values(context.cores).filter((core) => core !== undefined);
  const pinned = cores.length === 0 ? [] : ["taskset", "-c", cores.join(",")];
  const node = [process.execPath, ownCli, "projections", "rebuild", "all", "--json", ...flags];
  const [program = process.execPath, ...args] = [...pinned, ...node];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env });
  endsWithThis(child);
  return { child, said: text(child.stdout) };
};

const builtShare = async ({ generations }: Beside): Promise<number> => {
  const all = await generations.list();
  const at = (state: GenerationState): number => all.find((one) => one.state === state)?.checkpoint?.position ?? 0;
  return at("live") === 0 ? 0 : at("building") / at("live");
};

const until = async (condition: () => Promise<boolean>, what: string): Promise<void> => {
  const deadline = performance.now() + waitMsMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${waitMsMax} ms`);
    await sleep(50);
  }
};
