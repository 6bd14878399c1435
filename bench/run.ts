import { mkdirSync, writeFileSync } from "node:fs";
import { helpText, readArguments, UsageError, type Arguments } from "./arguments.js";
import { chooseCores, conditionsOf, pinSelf } from "./conditions.js";
import type { BenchContext, Figures, Row, Scenario, Skipped } from "./scenario.js";
import { coldLoad } from "./scenarios/cold-load.js";
import { distributed } from "./scenarios/distributed.js";
import { distributedReads } from "./scenarios/distributed-reads.js";
import { eventStoreServer } from "./scenarios/eventstore-server.js";
import { group } from "./scenarios/group.js";
import { hotGroup } from "./scenarios/hot-group.js";
import { idleConnections } from "./scenarios/idle-connections.js";
import { logAppend } from "./scenarios/log-append.js";
import { pairs } from "./scenarios/pairs.js";
import { projectionReplay } from "./scenarios/projection-replay.js";
import { selfCheck } from "./scenarios/self-check.js";
import { sync } from "./scenarios/sync.js";

/** The only list of all scenarios; a new one is a file beside these and a name here. */
const scenarios: readonly Scenario[] = [
  pairs,
  group,
  hotGroup,
  sync,
  idleConnections,
  logAppend,
  projectionReplay,
  coldLoad,
  eventStoreServer,
  distributed,
  distributedReads,
  selfCheck,
];

type Outcome = { readonly rows: readonly Row[] } | Skipped | { readonly error: string };

const chosen = (names: readonly string[]): readonly Scenario[] => {
  if (names.length === 0) return scenarios;
  return names.map((name) => {
    const scenario = scenarios.find((candidate) => candidate.name === name);
    if (scenario === undefined) {
      throw new UsageError(`no scenario ${name}; there are ${scenarios.map((known) => known.name).join(", ")}`);
    }
    return scenario;
  });
};

const contextOf = (args: Arguments): BenchContext => ({
  seconds: args.seconds,
  scale: args.scale,
  seal: args.seal,
  dataRoot: args.data,
  cli: args.cli,
  cores: chooseCores(),
  profileDir: args.profile,
  say: (line) => {
    console.error(line);
  },
});

const runOne = async (scenario: Scenario, context: BenchContext): Promise<Outcome> => {
  context.say(`${scenario.name}: ${scenario.summary}`);
  try {
    const rows = await scenario.run(context);
    if ("skipped" in rows) {
      context.say(`  skipped: ${rows.skipped}`);
      return rows;
    }
    for (const measured of rows) tell(measured, context.say);
    return { rows };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.say(`  FAILED: ${text}`);
    return { error: text };
  }
};

/** Lines of the figures that one looks at first; all are in the JSON. */
const tell = ({ variant, engines, figures, floors, goals = [] }: Row, say: BenchContext["say"]): void => {
  say(`  ${variant}: ${pick(figures, told)}`);
  for (const [name, { ratio }] of Object.entries(floors)) {
    const ratios = pick(ratio, /PerSecond$|^cpu.*Per/);
    if (ratios !== "") say(`    ÷ ${name}: ${ratios}`);
  }
  if (engines !== undefined) say(`    on ${engines}`);
  for (const { met, value, says, atLeast, atMost, aim } of goals) {
    const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
    say(`    ${met ? "met" : "MISSED"}: ${value} ${says}; goal ${bound}${aim === undefined ? "" : `, aim ${aim}`}`);
  }
};

const told = /PerSecond$|P(50|99)Ms$|Per1000$|Per(Message|Delivery)$|loadMs$|KiB$|MB$/;

const pick = (figures: Figures, names: RegExp): string =>
  Object.entries(figures)
    .filter(([name]) => names.test(name))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** Runs what was asked for; the exit code. */
const main = async (argv: readonly string[]): Promise<number> => {
  const args = readArguments(argv);
  if (args.help) {
    process.stdout.write(helpText(scenarios.map(({ name, summary }) => `${name.padEnd(19)}${summary}`)));
    return 0;
  }
  const wanted = chosen(args.scenarios);
  const context = contextOf(args);
  mkdirSync(context.dataRoot, { recursive: true });
  if (context.profileDir !== undefined) mkdirSync(context.profileDir, { recursive: true });
  const conditions = conditionsOf(context); // before pinning, which hides the other cores
  pinSelf(context.cores);

  const outcomes: Record<string, Outcome> = {};
  for (const scenario of wanted) outcomes[scenario.name] = await runOne(scenario, context);

  const json = `${JSON.stringify({ conditions, scenarios: outcomes }, null, 2)}\n`;
  process.stdout.write(json);
  if (args.json !== undefined) writeFileSync(args.json, json);
  if (context.profileDir !== undefined)
    context.say(`CPU profiles, one file a thread (open in Chrome's DevTools): ${context.profileDir}`);
  return Object.values(outcomes).some((outcome) => "error" in outcome) ? 1 : 0;
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\nSee npm run bench -- --help`);
  process.exitCode = 2;
}
