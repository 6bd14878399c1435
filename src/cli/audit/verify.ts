import { Command } from "commander";
import { verifyFile, verifyTarget, type Verified } from "../../operate/tree/verify.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, note, paint, progress, say, sayJson } from "../output.js";
import { aboutWitness, witnessOption } from "./witness.js";

type Options = ProfileOptions & { readonly publicKey?: readonly string[]; readonly witness?: string };

const eachText = (value: string, before: readonly string[] = []): readonly string[] => [...before, someText(value)];

export const verifyCommand = withTarget(new Command("verify"))
  .description("Check that the log, a copy of it or an export of it is what its signed heads say.")
  .argument("[file]", "an export of a whole log (parley events export); else the log that --data or --profile names")
  .option(
    "--public-key <file>",
    "the key that you trust, in PEM (parley audit head --public-key FILE); again for another, where one was lost",
    eachText,
  )
  .option("--witness <file>", witnessOption, someText)
  .addHelpText(
    "after",
    `
Of a file nothing else is needed but the public key (of one packed with zstd, or of CloudEvents, its manifest as well). Of a
data directory, also of a copy of one, tree.db names the very event that was changed; of a file alone the events between two
heads are named among which it is (docs/AUDIT.md).
Without --public-key the first key that the log names is believed: a log that was rewritten as a whole passes.
With --witness the log has to go on from every head in the file, and how many events of the newest are missing is said.
Exit code: 0 all that is signed is as it was signed, 1 it is not or cannot be read, 2 wrong usage.`,
  )
  .action(async (file: string | undefined, options: Options) => {
    const bar = progress("verifying");
    try {
      let of = 0;
      const asked = {
        ...(options.publicKey === undefined ? {} : { publicKeyFiles: options.publicKey }),
        ...(options.witness === undefined ? {} : { witnessFile: options.witness }),
        onProgress: (leaves: number) => {
          bar.show(leaves, Math.max(of, leaves));
          of = Math.max(of, leaves);
        },
      };
      const target = file === undefined ? targetOf(options) : undefined;
      const verified = target === undefined ? await verifyFile(file ?? "", asked) : await verifyTarget(target, asked);
      bar.end();
      if (options.json)
        sayJson({ ok: verified.finding === undefined, isKeyTrusted: options.publicKey !== undefined, ...verified });
      else tell(verified, options, target === undefined ? { file: file ?? "" } : { of: sameTarget(target) });
      exitWhenSaid(verified.finding === undefined ? 0 : 1);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

type Checked = { readonly of: string } | { readonly file: string };

const tell = (verified: Verified, { publicKey }: Options, checked: Checked): void => {
  const { finding, leaves, signed, heads, witnessed, keys, keyId = "", witness } = verified;
  const covered = `${grouped(heads)} heads${witnessed > 0 ? ` and ${grouped(witnessed)} of a witness` : ""}`;
  const target = "of" in checked ? ` ${checked.of}` : " --data DIR";
  if (finding?.kind === "unsigned") {
    say(paint("yellow", harmless(finding.says)));
    say(
      "A server signs the first head within PARLEY_TREE_HEAD_SECONDS (60) of its start; an export of before has none.",
    );
    next(`parley audit head${target}`);
    return;
  }
  if (finding !== undefined) {
    say(paint("red", `WRONG  ${harmless(finding.says)}`));
    if (signed.size > 0)
      say(`Up to position ${signed.position} (${grouped(signed.size)} events) all is as ${covered} signed it.`);
    if (witness !== undefined && witness.missing > 0) say(aboutWitness(witness));
    next(
      "of" in checked
        ? `parley events tail --from ${finding.position}${target}     what stands there`
        : `zcat -f ${checked.file} | grep '^{"position":${finding.position},'     what stands there`,
      "docs/OPERATIONS.md, “The log was changed”, says what to do",
    );
    return;
  }
  if (leaves === 0) {
    say(paint("yellow", "There is no event in it: nothing can be checked."));
    return;
  }
  say(paint("green", `${grouped(signed.size)} events are as ${covered} signed them.`));
  if (leaves > signed.size) say(`${grouped(leaves - signed.size)} newer ones are not signed yet.`);
  if (witness !== undefined) say(aboutWitness(witness));
  say(`${keys === 1 ? "Key" : `${keys} keys; now`} ${keyId}`);
  if (publicKey === undefined)
    note(
      "The key was taken from the log itself. A log that was rewritten as a whole and signed anew passes: name the key with --public-key.",
    );
  if (publicKey === undefined) next(`parley audit head --public-key FILE${target}`);
  else next(`parley audit prove POSITION${target}`);
};
