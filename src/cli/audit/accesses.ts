import { Command } from "commander";
import { listAccesses, type AccessFilter } from "../../operate/accesses.js";
import { openToRead } from "../../operate/open.js";
import { fail } from "../failure.js";
import { sameTarget, someText, targetOf, time, withTarget, type ProfileOptions } from "../options.js";
import { harmless, next, paint, say, sayJson } from "../output.js";

type Options = ProfileOptions & AccessFilter;

export const accessesCommand = withTarget(new Command("accesses"))
  .description("List who opened what people wrote, when, and why: every privileged read, oldest first.")
  .option("--since <time>", "only those at this time or later: 2026-11-22T10:00Z, UTC unless it says", time)
  .option("--operator <account>", "only those of this account of the operating system", someText)
  .option("--kind <kind>", "only those of this kind, such as events.open, audit.export or user.takeout", someText)
  .addHelpText(
    "after",
    `
Each was in the log before anything was opened. --json prints one a line.
Exit code: 0 done, 1 the log cannot be read, or an entry in it, 2 wrong usage.`,
  )
  .action(async (options: Options) => {
    try {
      await list(options);
    } catch (error) {
      fail(error);
    }
  });

const list = async (options: Options): Promise<void> => {
  const target = targetOf(options);
  const opened = await openToRead(target);
  let listed = 0;
  try {
    for await (const access of listAccesses(opened.log, options)) {
      listed += 1;
      if ("unreadable" in access) process.exitCode = 1;
      if (options.json) sayJson(access);
      else say(lineOf(access));
    }
  } finally {
    await opened.close();
  }
  if (options.json) return;
  if (listed === 0) say("No privileged read is recorded that passes.");
  next(`parley events tail --stream parley-access ${sameTarget(target)}`);
};

type Listed = ReturnType<typeof listAccesses> extends AsyncGenerator<infer Access> ? Access : never;

const lineOf = (access: Listed): string => {
  const position = String(access.position).padStart(8);
  if ("unreadable" in access) return `${position}  ${paint("red", `→ ${harmless(access.unreadable)}`)}`;
  const { at, operator = "(no name)", kind, reason, scope } = access;
  const about = Object.entries(scope).map(([name, value]) => `${name}=${value}`);
  return [
    position,
    paint("grey", new Date(at).toISOString()),
    harmless(operator),
    paint("cyan", kind),
    harmless(about.join(" ")),
    `“${harmless(reason)}”`,
  ]
    .filter((part) => part !== "")
    .join("  ");
};
