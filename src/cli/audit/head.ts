import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { publicKeyOf, publicPemOf, toldHead } from "../../audit/tree/head.js";
import { findHead, findKey } from "../../operate/tree/heads.js";
import { openToRead } from "../../operate/open.js";
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
  const { log, close } = await openToRead(target);
  try {
    const found = await findHead(log);
    if (found === undefined)
      throw new Error(
        "no head is signed yet: a server signs one within a minute after the first event (PARLEY_TREE_HEAD_SECONDS)",
      );
    const { head, position } = found;
    const key = publicKeyOf((await findKey(log, head.keyId))?.publicKey ?? "");
    if (key === undefined)
      throw new Error(`the log does not name the key ${head.keyId}: parley audit verify says what is wrong`);
    const { publicKey: file } = options;
    if (file === "-") {
      process.stdout.write(publicPemOf(key));
      return;
    }
    if (file !== undefined) await writeFile(file, publicPemOf(key));
    if (options.json) {
      sayJson({ ...toldHead(head), position, publicKey: publicPemOf(key) });
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
          ["position", String(position)],
        ],
      ),
    );
    if (file !== undefined) say(`\nThe public key is in ${file}.`);
    next(
      `parley audit verify --public-key ${file ?? "FILE"} ${sameTarget(target)}`,
      `parley audit prove ${position} ${sameTarget(target)}     when the next head is signed`,
    );
  } finally {
    await close();
  }
};
