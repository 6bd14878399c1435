import { Command } from "commander";
import { listHolds, releaseHold, setHold, type ListedHold } from "../../operate/holds.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, time, withTarget, type ProfileOptions } from "../options.js";
import { harmless, next, say, sayJson, table } from "../output.js";

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, someText(value)];

type SetOptions = ProfileOptions & {
  readonly case: string;
  readonly reason: string;
  readonly user?: readonly string[];
  readonly conversation?: readonly string[];
  readonly until?: number;
};

const setCommand = withTarget(new Command("set"))
  .description("Keep what users wrote, or conversations, from being erased while a case goes on.")
  .requiredOption("--case <name>", "the case; one hold at a time", someText)
  .requiredOption("--reason <text>", "why: it stands in the log", someText)
  .option("--user <id>", "a user; may be given several times", several)
  .option("--conversation <id>", "a conversation: nobody who ever was a member of it is erased; several times", several)
  .option(
    "--until <time>",
    "when it ends by itself: 2027-01-31, UTC unless it says (default: when it is released)",
    time,
  )
  .addHelpText(
    "after",
    "\nExit code: 0 it holds, 1 it is refused (the case has one, nobody of that id) or failed, 2 wrong usage.",
  )
  .action(async ({ user: users = [], conversation: conversations = [], until, reason, ...options }: SetOptions) => {
    try {
      if (users.length + conversations.length === 0)
        throw new BadConfig(["name what is held: --user ID or --conversation ID"]);
      if (until !== undefined && until <= Date.now()) throw new BadConfig(["--until is in the past"]);
      const target = targetOf(options);
      const hold = { case: options.case, users, conversations, reason, ...(until === undefined ? {} : { until }) };
      const position = await setHold(target, { ...hold, users: [...users], conversations: [...conversations] });
      if (options.json === true) sayJson({ case: options.case, position });
      else {
        say(`The case ${harmless(options.case)} holds, since position ${position}.`);
        next(`parley hold list ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

type ReleaseOptions = ProfileOptions & { readonly case: string; readonly reason: string };

const releaseCommand = withTarget(new Command("release"))
  .description("End a hold before its time.")
  .requiredOption("--case <name>", "the case", someText)
  .requiredOption("--reason <text>", "why: it stands in the log", someText)
  .addHelpText("after", "\nExit code: 0 it is released, 1 there is none now, or it failed, 2 wrong usage.")
  .action(async ({ reason, ...options }: ReleaseOptions) => {
    try {
      const target = targetOf(options);
      const position = await releaseHold(target, { case: options.case, reason });
      if (options.json === true) sayJson({ case: options.case, position });
      else {
        say(`The case ${harmless(options.case)} holds nothing any more, since position ${position}.`);
        next(`parley hold list --all ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

const listCommand = withTarget(new Command("list"))
  .description("List what is held: the case, whom and what, why, by whom and until when.")
  .option("--all", "those that are over as well")
  .addHelpText("after", "\n--json prints one a line. Exit code: 0 done, 1 the log cannot be read, 2 wrong usage.")
  .action(async (options: ProfileOptions & { readonly all?: true }) => {
    try {
      const target = targetOf(options);
      const holds = (await listHolds(target)).filter(({ active }) => active || options.all === true);
      if (options.json === true) for (const hold of holds) sayJson(hold);
      else {
        if (holds.length === 0) say("Nothing is held.");
        else
          say(table(["case", "state", "users", "conversations", "until", "set by", "at", "reason"], holds.map(rowOf)));
        next(`parley events tail --stream parley-holds ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

const rowOf = ({ set, released, active }: ListedHold): string[] => [
  set.case,
  active ? "holds" : released === undefined ? "ended" : "released",
  set.users.join(" ") || "-",
  set.conversations.join(" ") || "-",
  set.until === undefined ? "-" : new Date(set.until).toISOString(),
  (set.by.kind === "operator" ? set.by.userId : undefined) ?? "-",
  new Date(set.at).toISOString(),
  set.reason,
];

export const holdCommand = new Command("hold")
  .description("What must not be erased while a case goes on.")
  .addCommand(setCommand)
  .addCommand(releaseCommand)
  .addCommand(listCommand);
