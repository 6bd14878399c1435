import { randomBytes } from "node:crypto";
import { Argument, Command, InvalidArgumentError } from "commander";
import type { Chosen } from "../../operate/reconcile/chosen.js";
import { rowsNames, type RowsName } from "../../operate/projections/rebuild.js";
import { reconcile, type ReconcileResult } from "../../operate/reconcile/reconcile.js";
import type { FoundDrift } from "../../operate/reconcile/views.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, paint, progress, say, sayJson } from "../output.js";

type Options = ProfileOptions & {
  readonly user?: string;
  readonly conversation?: string;
  readonly sample?: number;
  readonly seed?: string;
  readonly repair?: true;
};

const share = (value: string): number => {
  const parsed = value.endsWith("%") ? Number(value.slice(0, -1)) / 100 : Number(value);
  if (!(parsed > 0 && parsed <= 1))
    throw new InvalidArgumentError("It must be a share above 0 and at most 1, such as 0.01 or 1%.");
  return parsed;
};

export const reconcileCommand = withTarget(new Command("reconcile"))
  .description(
    "Recompute rows of the views from the log alone, compare them with those that are there, and name the events that prove each right value.",
  )
  .addArgument(
    new Argument("[name]", "rows of this projection alone; without --conversation, --user and --sample all of them")
      .choices([...rowsNames, "all"])
      .default("all", "all"),
  )
  .option("--conversation <id>", "all rows of a conversation: its members, messages, reactions and receipts", someText)
  .option("--user <id>", "a user's own rows, and theirs in each conversation (looks through the whole log)", someText)
  .option("--sample <share>", "this share of all conversations and users: 0.01, or 1%", share)
  .option("--seed <text>", "with --sample: the same seed chooses the same ones (default: a new one)", someText)
  .option("--repair", "put the right rows in the place of those that drifted; Parley may run meanwhile")
  .addHelpText(
    "after",
    `
  parley projections reconcile --sample 1%              all projections, of some conversations and users
  parley projections reconcile receipts                 one projection, of all (reads the whole log)
  parley projections reconcile inbox --user alice --repair

Parley may run or not: nothing is changed without --repair. A row that drifts again after a repair is made wrong by a
projection: build the views anew with a version that has it right.

With --json each drift is a line of its own, {"drift":…}, and the last line is {"reconciled":…}.

Exit code: 0 every row is what the log says, or was repaired; 1 rows have drifted, or it failed; 2 wrong usage.`,
  )
  .action(async (name: RowsName | "all", options: Options, command: Command) => {
    const bar = progress("reading the log");
    try {
      const target = targetOf(options);
      const chosen = chosenOf(options, command.args.length > 0);
      const json = options.json === true;
      const repair = options.repair === true;
      const onDrift = (drift: FoundDrift): void => {
        bar.end();
        if (json) sayJson({ drift });
        else say(driftText(drift));
      };
      const result = await reconcile(target, {
        ...{ chosen, repair, onDrift, onProgress: bar.show },
        ...(name === "all" ? {} : { names: [name] }),
      });
      bar.end();
      const seed = "seed" in chosen ? { seed: chosen.seed } : {};
      if (json) sayJson({ reconciled: { ...result, ...seed } });
      else tell(result, chosen, sameTarget(target));
      exitWhenSaid(result.drifted > result.repaired ? 1 : 0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

/** Of all, where a name alone is given. @throws BadConfig unless it is one */
const chosenOf = ({ user, conversation, sample, seed }: Options, isNamed: boolean): Chosen => {
  const given = [user, conversation, sample].filter((each) => each !== undefined);
  if (given.length > 1) throw new BadConfig(["Name only one of --conversation ID, --user ID and --sample SHARE"]);
  if (given.length === 0 && !isNamed)
    throw new BadConfig([
      "Name one of --conversation ID, --user ID and --sample SHARE, or a projection (all: every row)",
    ]);
  if (seed !== undefined && sample === undefined) throw new BadConfig(["--seed belongs to --sample SHARE"]);
  if (conversation !== undefined) return { conversation };
  if (user !== undefined) return { user };
  return { rate: sample ?? 1, seed: seed ?? randomBytes(4).toString("hex") };
};

const kinds = {
  missing: "is missing",
  extra: "is there, and nothing in the log speaks of it",
  different: "is not what the log says",
} as const;

const driftText = ({ view, key, kind, fields }: FoundDrift): string => {
  const lines = fields.map(({ field, stored, right, storedVersion, rightVersion, proof }) => {
    const said = proof === undefined ? "" : `  ${proof.type} at ${proof.position}, ${proof.stream}@${proof.revision}`;
    const was = shown(stored, storedVersion, rightVersion);
    return `  ${field}: ${was} → ${shown(right, rightVersion, storedVersion)}${paint("grey", harmless(said))}`;
  });
  return [paint("red", `${view} ${harmless(key.join(" "))} ${kinds[kind]}`), ...lines].join("\n");
};

const textMax = 60;

const shown = (value: unknown, version: number | undefined, other: number | undefined): string => {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  const cut = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return harmless(version === undefined || version === other ? cut : `${cut} (version ${version})`);
};

const tell = ({ subjects, rows, drifted, repaired }: ReconcileResult, chosen: Chosen, target: string): void => {
  const seed = "seed" in chosen ? `, seed ${chosen.seed}` : "";
  const found = drifted === 0 ? "none has drifted" : `${grouped(drifted)} drifted, ${grouped(repaired)} repaired`;
  say(`${grouped(rows)} rows of ${grouped(subjects)} conversations and users${seed}: ${found}`);
  if (drifted > repaired)
    next(
      `the same command ${repaired > 0 ? "again: rows have moved meanwhile" : "with --repair"}`,
      `parley projections status ${target}`,
    );
  else next(`parley projections status ${target}`);
};
