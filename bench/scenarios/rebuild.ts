import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { sqliteGenerations } from "../../src/infra/view-store/sqlite/generations.js";
import { figure, timesOf } from "../load/measure.js";
import { measurePairs, placeOf, startPairs } from "../load/pair-chat.js";
import { goal, row, scaled, type BenchContext, type Figures, type Scenario } from "../scenario.js";
import { endsWithThis } from "../server/left-behind.js";
import { ownCli, withoutSettings } from "../server/parley.js";
import { withSeededServer } from "./seeded.js";

const events = 1_000_000;
const messagesEach = 998;
const pairs = 50;
const perSecond = 200;
/** Of the log, behind which the rebuild is killed. */
const killedAt = [1 / 3, 2 / 3];
const waitMsMax = 600_000;

type Rebuilt = {
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly different: number;
  readonly switched: boolean;
};

/** Views are built anew beside a server, by a process that is killed twice, while pairs chat. */
export const rebuild: Scenario = {
  name: "rebuild",
  summary: `views of ${events} events built anew while ${pairs} pairs chat; killed twice, resumed, switched to`,
  ofThisBuildOnly: true,
  run: (context) => {
    const conversations = Math.max(1, Math.round(scaled(context, events) / (messagesEach + 2)));
    return withSeededServer(context, { conversations, messagesEach }, async (server, seeded, directory) => {
      const place = { ...placeOf(server), pairs };
      await until(async () => ((await place.target.views?.lagEvents()) ?? 0) === 0, "the first views");
      const chats = (await startPairs(server, "")).slice(0, pairs);
      const measured = (keys: string): Promise<Figures> =>
        measurePairs(place, { ...timesOf(context), conversations: chats, pace: { perSecond }, keys });
      context.say("rebuild: before");
      const before = await measured("-before");
      context.say("rebuild: during");
      const began = performance.now();
      const state: { rebuilt?: Rebuilt; failed?: unknown } = {};
      const working = rebuiltIn(context, directory, seeded.events).then(
        (rebuilt) => (state.rebuilt = rebuilt),
        (error: unknown) => (state.failed = error),
      );
      const during: Figures[] = [];
      for (let round = 0; state.rebuilt === undefined && state.failed === undefined; round += 1)
        during.push(await measured(`-during${round}`));
      await working;
      const { rebuilt } = state;
      if (rebuilt === undefined) throw state.failed;
      const figures = {
        ...{ logEvents: seeded.events, pairs, messagesPerSecond: figure(before, "messagesPerSecond") },
        sendP99MsBefore: figure(before, "ackP99Ms"),
        sendP99MsDuring: Math.max(...during.map((each) => figure(each, "ackP99Ms"))),
        ...{ kills: killedAt.length, rebuiltEventsPerSecond: rebuilt.eventsPerSecond },
        ...{ rowsDifferent: rebuilt.different, switched: Number(rebuilt.switched) },
        secondsWithKills: (performance.now() - began) / 1_000,
      };
      const goals = [goal("rows that differ", rebuilt.different, { atMost: 0 })];
      return [row({ variant: "all names", figures, floors: {}, goals })];
    });
  },
};

/** Kills it behind each share of the log; the last one is left to finish. */
const rebuiltIn = async (context: BenchContext, directory: string, logEvents: number): Promise<Rebuilt> => {
  for (const share of killedAt) {
    const { child } = started(context, directory);
    const exited = once(child, "exit");
    await until(async () => child.exitCode !== null || (await builtTo(directory)) > share * logEvents, "the rebuild");
    child.kill("SIGKILL");
    await exited;
  }
  const { child, said } = started(context, directory);
  const [[code], out] = await Promise.all([once(child, "exit") as Promise<[number | null]>, said]);
  if (code !== 0) throw new Error(`parley projections rebuild ended with ${code}: ${out}`);
  return (JSON.parse(out) as { readonly rebuilt: Rebuilt }).rebuilt;
};

/** On whatever core is free: this process, which it would inherit its own from, is the load. */
const started = (context: BenchContext, directory: string) => {
  const cores = Object.values(context.cores).filter((core) => core !== undefined);
  const pinned = cores.length === 0 ? [] : ["taskset", "-c", cores.join(",")];
  const node = [process.execPath, ownCli, "projections", "rebuild", "all", "--json", "--data", directory];
  const [program = process.execPath, ...args] = [...pinned, ...node];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env: withoutSettings(process.env) });
  endsWithThis(child);
  return { child, said: text(child.stdout) };
};

const builtTo = async (directory: string): Promise<number> => {
  const unfinished = (await sqliteGenerations(directory).list()).find(({ state }) => state === "building");
  return unfinished?.checkpoint?.position ?? 0;
};

const until = async (condition: () => Promise<boolean>, what: string): Promise<void> => {
  const deadline = performance.now() + waitMsMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${waitMsMax} ms`);
    await sleep(50);
  }
};
