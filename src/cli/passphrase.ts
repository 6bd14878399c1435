import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { BadConfig } from "../settings/config.js";
import { note } from "./output.js";

const charsMin = 12;

/**
 * Of `--passphrase-file`, else PARLEY_PASSPHRASE, else asked for on the terminal, where it is not shown.
 * @param isNew asked for twice
 * @throws (rejects) BadConfig
 */
export const passphraseOf = async (file: string | undefined, isNew: boolean): Promise<string> => {
  const given = file === undefined ? process.env.PARLEY_PASSPHRASE : await fromFile(file);
  const passphrase = given ?? (await asked(isNew));
  if (passphrase.length < charsMin) throw new BadConfig([`the passphrase must have ${charsMin} characters or more`]);
  return passphrase;
};

const fromFile = async (path: string): Promise<string> => (await readFile(path, "utf8")).split(/\r?\n/, 1)[0] ?? "";

const asked = async (isNew: boolean): Promise<string> => {
  if (!process.stdin.isTTY)
    throw new BadConfig(["no passphrase: give --passphrase-file FILE or PARLEY_PASSPHRASE, or run it on a terminal"]);
  const passphrase = await ask("Passphrase: ");
  if (isNew && (await ask("Again: ")) !== passphrase) throw new BadConfig(["the two passphrases differ"]);
  return passphrase;
};

const ask = (question: string): Promise<string> =>
  new Promise((resolve) => {
    process.stderr.write(question);
    const terminal = createInterface({ input: process.stdin, terminal: true });
    terminal.once("line", (line) => {
      terminal.close();
      note("");
      resolve(line);
    });
  });
