import { Command } from "commander";
import { hasWholeStreams } from "../../operate/transfer/export.js";
import { verifyExport, type VerifiedExport } from "../../operate/transfer/verify.js";
import { fail } from "../failure.js";
import { grouped, harmless, next, note, paint, progress, say, sayJson } from "../output.js";

export const verifyCommand = new Command("verify")
  .description("Check an export: whether it holds what was written. Needs the file and its manifest, nothing else.")
  .argument("<file>", "what `parley events export --output` wrote")
  .option("--json", "JSON for machines instead of text for people")
  .addHelpText(
    "after",
    `
Checks the bytes, every line's form and order, that revisions have no gap where whole streams were exported, the counts and
the hash. Names the first bad line. Whether the events are those that the log has only a signed head of it can tell.
Exit code: 0 it is whole, 1 it is not or cannot be read, 2 wrong usage.`,
  )
  .action(async (file: string, { json }: { readonly json?: true }) => {
    const bar = progress("verifying");
    try {
      const verified = await verifyExport(file, bar.show);
      bar.end();
      process.exitCode = verified.problem === undefined ? 0 : 1;
      if (json) sayJson(asJson(file, verified));
      else tell(file, verified);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const asJson = (file: string, { manifest, problem }: VerifiedExport) => {
  const { events, first, last, sha256, epoch, cell } = manifest;
  return { file, ok: problem === undefined, problem: problem ?? null, events, first, last, sha256, epoch, cell };
};

const tell = (file: string, { manifest, problem }: VerifiedExport): void => {
  const { events, first, last, sha256 } = manifest;
  if (problem !== undefined) {
    say(paint("red", `WRONG  ${harmless(problem.says)}`));
    next("parley events export …     again, from the log, or take another copy");
    return;
  }
  say(`${grouped(events)} events${first === null ? "" : ` (${first} to ${last})`}: the file is what was exported.`);
  say(`SHA-256 of the events ${sha256}`);
  if (hasWholeStreams(manifest.selection)) next(`parley events import ${file} --data NEW_DIR`);
  else note("It has parts of streams: they can be read, and not be imported.");
};
