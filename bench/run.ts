import { mkdirSync, writeFileSync } from "node:fs";
import { helpText, readArguments, UsageError, type Arguments } from "./arguments.js";
import { chooseCores, conditionsOf, pinSelf } from "./conditions.js";
import { buildCompared, type Compared } from "./compare/compared.js";
import type { ComparedRow } from "./compare/side-by-side.js";
import { takeTurns } from "./compare/take-turns.js";
import type { BenchContext, Row, Scenario, Skipped } from "./scenario.js";
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
import { rebuild, rebuildDistributed } from "./scenarios/rebuild.js";
import { selfCheck } from "./scenarios/self-check.js";
import { sync } from "./scenarios/sync.js";
import { tell, tellCompared } from "./tell.js";

/** The only list of all scenarios; a new one is a file beside these and a name here. */
const scenarios: readonly Scenario[] = [
  pairs,
  group,
  hotGroup,
  sync,
  idleConnections,
  logAppend,
  projectionReplay,
  rebuild,
  rebuildDistributed,
  coldLoad,
  eventStoreServer,
  distributed,
  distributedReads,
  selfCheck,
];

type Outcome = { readonly rows: readonly Row[] | readonly ComparedRow[] } | Skipped | { readonly error: string };

const chosen = ({ scenarios: names, compare }: Arguments): readonly Scenario[] => {
  const possible = scenarios.filter(({ ofThisBuildOnly }) => compare === undefined || ofThisBuildOnly !== true);
  if (names.length === 0) return possible;
  return names.map((name) => {
    const scenario = possible.find((candidate) => candidate.name === name);
    if (scenario === undefined) {
      const where = compare === undefined ? "" : " to compare builds with";
      throw new UsageError(`no scenario ${name}${where}; there are ${possible.map((known) => known.name).join(", ")}`);
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

const runOne = async (scenario: Scenario, context: BenchContext, compared: Compared | undefined): Promise<Outcome> => {
  const { say } = context;
  say(`${scenario.name}: ${scenario.summary}`);
  const skipped = (outcome: Skipped): Outcome => {
    say(`  skipped: ${outcome.skipped}`);
    return outcome;
  };
  try {
    if (compared === undefined) {
      const rows = await scenario.run(context);
      if ("skipped" in rows) return skipped(rows);
      for (const measured of rows) tell(measured, say);
      return { rows };
    }
    const rows = await takeTurns(scenario, context, compared);
    if ("skipped" in rows) return skipped(rows);
    for (const measured of rows) tellCompared(measured, ["this build", compared.commit], say);
    return { rows };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.say(`  FAILED: ${text}`);
    return { error: text };
  }
};

/** Runs what was asked for; the exit code. */
const main = async (argv: readonly string[]): Promise<number> => {
  const args = readArguments(argv);
  if (args.help) {
    process.stdout.write(helpText(scenarios.map(({ name, summary }) => `${name.padEnd(19)}${summary}`)));
    return 0;
  }
  const wanted = chosen(args);
  const context = contextOf(args);
  mkdirSync(context.dataRoot, { recursive: true });
  if (context.profileDir !== undefined) mkdirSync(context.profileDir, { recursive: true });
  const compared = args.compare === undefined ? undefined : buildCompared(args.compare, args.rounds, context.say);
  const conditions = conditionsOf(context); // before pinning, which hides the other cores
  pinSelf(context.cores);

  const outcomes: Record<string, Outcome> = {};
  for (const scenario of wanted) outcomes[scenario.name] = await runOne(scenario, context, compared);

  const { commit: other, rounds } = compared ?? {};
  const json = `${JSON.stringify({ conditions: { ...conditions, other, rounds }, scenarios: outcomes }, null, 2)}\n`;
  process.stdout.write(json);
  if (args.json !== undefined) writeFileSync(args.json, json);
  if (context.profileDir !== undefined)
    context.say(`CPU profiles, one file a thread (open in Chrome's DevTools): ${context.profileDir}`);
  return Object.values(outcomes).some((outcome) => "error" in outcome) ? 1 : 0;
};

// Not the default, which would leave servers, worktrees and data behind.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\nSee npm run bench -- --help`);
  process.exitCode = 2;
}
