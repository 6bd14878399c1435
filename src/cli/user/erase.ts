import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { eraseUserOf, surveyUser, textsIn, type Survey } from "../../operate/erasure/erase.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { counted, grouped, harmless, next, progress, say, sayJson } from "../output.js";

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
With the server running or stopped; its sessions end (4401), and no token of the user is taken any more. What others
wrote stays; in it the user is an id without a name. Texts that were written with PARLEY_SEAL=off, or before texts of
their kind were sealed, stand in the log as they were and cannot be destroyed: they are counted, with their positions.
The certificate is also in the erasure ledger (erasures.ndjson, or PARLEY_ERASURE_LEDGER), which belongs into no backup: a
server that starts on a backup from before erases again whom it names. After a crash: run it again, or start the server.
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
      if (target.profile === "distributed")
        throw new BadConfig([
          "user erase is of the embedded profile: this version cannot erase in the distributed one",
        ]);
      if (options.reason === undefined) throw new BadConfig(["--reason TEXT is missing: it stands in the certificate"]);
      const { certificate, survey, keysDestroyed } = await eraseUserOf(
        target.dir,
        { userId, reason: options.reason },
        show,
      );
      bar.end();
      if (options.certificate !== undefined)
        await writeFile(options.certificate, `${JSON.stringify(certificate)}\n`, { mode: 0o600 });
      if (options.json === true) sayJson({ user: userId, keysDestroyed, ...survey, certificate });
      else {
        say(`${harmless(userId)} is erased: ${counted(keysDestroyed, "key")} destroyed.`);
        tellSurvey(userId, survey, options);
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
