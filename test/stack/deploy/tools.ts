import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const cache = process.env.PARLEY_SERVERS_CACHE ?? join(homedir(), ".cache", "parley-servers");
const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin", join(cache, "bin")];

/**
 * Where a program is, of the directories that it may be in. Undefined, with the reason printed, where there is none: its tests are skipped then.
 * @throws Error when CI is set: there a missing program is a failure.
 */
export const tool = (name: string, from: readonly string[] = directories): string | undefined => {
  const found = from.map((directory) => join(directory, name)).find(isExecutable);
  if (found !== undefined) return found;
  const reason = `${name} is not installed: scripts/servers install does it`;
  if (process.env.CI === "true") throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return undefined;
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end, in an environment of nothing but PATH, HOME and what is given. */
export const run = (
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", ...environment };
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout, stderr });
    });
  });
