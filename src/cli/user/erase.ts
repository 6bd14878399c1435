import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { eraseUserOf, surveyUser, textsIn, type Survey, type Told } from "../../operate/erasure/erase.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { counted, grouped, harmless, next, note, progress, say, sayJson } from "../output.js";

type Options = ProfileOptions & {
  readonly reason?: string;
  readonly dryRun?: true;
  readonly acceptPlain?: true;
  readonly certificate?: string;
};

export const eraseCommand = withTarget(new Command("erase"))
  .argument("<user>", "the user's id")
  .description("Destroy the keys of all that a person wrote. It cannot be undone; the log stays valid.")
  .option("--reason <text>", "why: it stands in the log and in the certificate", someText)
  .option("--dry-run", "say what would be erased, and change nothing")
  .option("--certificate <file>", "write the signed certificate there as well", someText)
  .option("--accept-plain", "exit with 0 although the log holds texts of theirs that were never sealed")
  .addHelpText(
    "after",
    `
With the server running or stopped; with --profile distributed beside the processes of the cell, running or not, which are
told to forget the keys. The user's sessions end (4401), and no token of theirs is taken any more. What others wrote stays;
in it the user is an id without a name. Texts that were written with PARLEY_SEAL=off, or before texts of their kind were
sealed, stand in the log as they were and cannot be destroyed: they are counted, with their positions.
The certificate is also in the erasure ledger, which belongs into no backup: erasures.ndjson, or PARLEY_ERASURE_LEDGER; of
the distributed profile MongoDB's database PARLEY_MONGODB_DATABASE with -erasures behind it, or the one whose address
PARLEY_ERASURE_LEDGER is. What starts on a backup from before erases again whom it names. Refused while a hold needs what
the person wrote (parley hold list). After a crash: run it again, or start the server.
Exit code: 0 erased (or dry run with no plain texts), 1 plain texts of theirs are left, or it failed, 2 wrong usage.`,
  )
  .action(async (userId: string, options: Options) => {
    const bar = progress("looking through the log", "events");
    const show = (done: number, of: number): void => {
      bar.show(done, of);
    };
    try {
      const target = targetOf(options);
      if (options.dryRun === true) {
        const survey = await surveyUser(target, userId, show);
        bar.end();
        tellSurvey(userId, survey, options);
        if (options.json !== true) next(`parley user erase ${userId} --reason TEXT ${sameTarget(target)}`);
        exitWhenSaid(codeOf(survey, options));
        return;
      }
      if (options.reason === undefined) throw new BadConfig(["--reason TEXT is missing: it stands in the certificate"]);
      const { certificate, survey, keysDestroyed, told } = await eraseUserOf(
        target,
        { userId, reason: options.reason },
        show,
      );
      bar.end();
      if (options.certificate !== undefined)
        await writeFile(options.certificate, `${JSON.stringify(certificate)}\n`, { mode: 0o600 });
      if (options.json === true)
        sayJson({ user: userId, keysDestroyed, ...survey, certificate, ...(told && { told }) });
      else {
        say(`${harmless(userId)} is erased: ${counted(keysDestroyed, "key")} destroyed.`);
        tellSurvey(userId, survey, options);
        if (told !== undefined) tellProcesses(told);
        next(`parley events tail --stream user-${userId} ${sameTarget(target)}`);
      }
      exitWhenSaid(codeOf(survey, options));
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const codeOf = ({ plain }: Survey, { acceptPlain }: Options): number =>
  textsIn(plain) === 0 || acceptPlain === true ? 0 : 1;

const tellProcesses = ({ forgotten, silent, problems }: Told): void => {
  const heard = forgotten.length === 0 ? "none" : forgotten.map(harmless).join(", ");
  say(`Running processes that have forgotten the keys: ${heard}.`);
  if (silent.length + problems.length === 0) return;
  if (silent.length > 0) note(`These run and did not say that they have forgotten them: ${silent.join(", ")}.`);
  for (const problem of problems) note(`Not all that run are known: ${problem}.`);
  note("What was not told forgets the keys within a minute while MongoDB answers, within an hour where it does not.");
};

const tellSurvey = (userId: string, survey: Survey, { json, dryRun }: Options): void => {
  if (json === true) {
    sayJson({ user: userId, ...survey });
    return;
  }
  const { sealed, plain, plainAt } = survey;
  const counted = (counts: Survey["sealed"]): string =>
    Object.entries(counts)
      .map(([field, count]) => `${grouped(count)} ${field}`)
      .join(", ") || "none";
  say(`Texts that ${dryRun === true ? "would end" : "ended"} with their keys: ${counted(sealed)}.`);
  if (textsIn(plain) === 0) return;
  say(`Texts that stand in the log as they were written, and stay: ${counted(plain)}.`);
  say(`They are in the events at ${plainAt.join(", ")}${plainAt.length < textsIn(plain) ? " …" : ""}.`);
};
