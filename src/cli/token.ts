import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { idForm, isUserId, issueToken } from "../operate/tokens.js";
import { dataDirOf } from "../settings/config.js";
import { givenTokenSecret } from "../settings/token-secret.js";
import { fail } from "./failure.js";

const id = (value: string): string => {
  if (!isUserId(value)) throw new InvalidArgumentError(`It must be ${idForm}.`);
  return value;
};
const seconds = (value: string): number => {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 1 || parsed > 100 * 366 * 86_400)
    throw new InvalidArgumentError("It must be a whole number of seconds, at least 1 and at most a hundred years.");
  return parsed;
};

export const tokenCommand = new Command("token")
  .description("Print a token for a user's device, and nothing else.")
  .requiredOption("--user <id>", "the user's id (claim sub)", id)
  .requiredOption("--device <id>", "the device's id (claim device)", id)
  .option("--ttl <seconds>", "how long it is good for", seconds, 86_400)
  .option("--data <dir>", "data directory of the server (PARLEY_DATA; default ./data)")
  .addHelpText(
    "after",
    `
Signed with PARLEY_TOKEN_SECRET, else with what token.secret in the data directory says (without its line end), which
is made if it is missing. Your own application makes tokens the same way: HS256, claims sub, device and exp.`,
  )
  .action(async (options: { user: string; device: string; ttl: number; data?: string }) => {
    try {
      const dataDir = dataDirOf(options, process.env);
      const actor = { userId: options.user, deviceId: options.device };
      if (givenTokenSecret(process.env) === undefined && !existsSync(join(dataDir, "token.secret")))
        process.stderr.write(`parley: no server has used ${dataDir} yet; its token.secret is made now\n`);
      process.stdout.write(`${await issueToken(dataDir, actor, options.ttl)}\n`);
    } catch (error) {
      fail(error);
    }
  });
