import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** The built CLI as a process, without the settings of the developer who runs the tests. */
export const run = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_"));
    const env = { ...Object.fromEntries(clean), ...environment };
    execFile(process.execPath, [parley, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });

export const json = (ran: Ran): unknown => JSON.parse(ran.stdout);
export const jsonLines = (ran: Ran): readonly unknown[] =>
  ran.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
