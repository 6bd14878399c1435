import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { readHead } from "../../operate/tree/heads.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, say, sayJson, table } from "../output.js";

type Options = ProfileOptions & { readonly publicKey?: string };

export const headCommand = withTarget(new Command("head"))
  .description("The newest signed head of the tree over the log, and the public key that checks it.")
  .option("--public-key <file>", "write the public key to this file as PEM; - prints it and nothing else", someText)
  .addHelpText(
    "after",
    `
Give the public key to whoever is to check the log, once and by another way than the log. --json prints the head as witnesses
have it. Exit code: 0 there is a head, 1 there is none yet or the log cannot be read, 2 wrong usage.`,
  )
  .action(async (options: Options) => {
    try {
      await show(options);
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

const show = async (options: Options): Promise<void> => {
  const target = targetOf(options);
  const head = await readHead(target);
  const { publicKey: file } = options;
  if (file === "-") {
    process.stdout.write(head.publicKey);
    return;
  }
  if (file !== undefined) await writeFile(file, head.publicKey);
  if (options.json) {
    sayJson(head);
    return;
  }
  say(
    table(
      ["", ""],
      [
        ["size", `${grouped(head.size)} events`],
        ["root", head.root],
        ["signed", new Date(head.at).toISOString()],
        ["epoch", head.epoch],
        ["key", head.keyId],
        ["position", String(head.position)],
      ],
    ),
  );
  if (file !== undefined) say(`\nThe public key is in ${file}.`);
  next(
    `parley audit verify --public-key ${file ?? "FILE"} ${sameTarget(target)}`,
    `parley audit prove POSITION ${sameTarget(target)}`,
  );
};
