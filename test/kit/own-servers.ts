/** Servers for one test file alone, which it may kill: those of the whole run are shared. */
import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export type OwnServers = {
  /** Addresses and secrets, by variable. */
  readonly env: Readonly<Record<string, string>>;
  /** SIGKILL; its data stays. */
  readonly kill: (name: ServerName) => Promise<void>;
  /** SIGSTOP: it hangs, its connections stay; until SIGCONT. */
  readonly pause: (name: ServerName) => void;
  readonly resume: (name: ServerName) => void;
  /** On the port and the data that it had; resolves when it answers. */
  readonly startAgain: (name: ServerName) => Promise<void>;
  /** Ends all of them and removes their directory. */
  readonly stop: () => Promise<void>;
};
export type ServerName = "redis" | "nats" | "s3" | "mongodb" | "eventstore";

/** Not where the environment names the servers of others (`npm run test:stack -- --external`): nothing is started there. */
export const mayStartServers = process.env.PARLEY_STACK_EXTERNAL !== "true";

const script = fileURLToPath(new URL("../../scripts/servers", import.meta.url));

/** Starts servers by `scripts/servers`. @throws Error with what a server said that does not start */
export const startOwnServers = async (...names: readonly ServerName[]): Promise<OwnServers> => {
  const run = promisify(execFile);
  // Inside those of the run: the end of these ends what a test that was interrupted has left.
  const around = process.env.PARLEY_SERVERS_DIR ?? "";
  const where = around === "" ? [] : ["--dir", join(around, `own-${randomUUID()}`)];
  const { stdout } = await run(script, ["start", "--json", "--only", names.join(","), ...where]);
  const { dir, env } = JSON.parse(stdout) as { readonly dir: string; readonly env: Readonly<Record<string, string>> };
  const servers = async (...args: readonly string[]): Promise<void> => {
    await run(script, [...args, "--dir", dir]);
  };
  const signal = (name: ServerName, what: NodeJS.Signals): void => {
    process.kill(Number(readFileSync(join(dir, `${name}.pid`), "utf8")), what);
  };
  return {
    env,
    kill: (name) => servers("kill", name),
    pause: (name) => {
      signal(name, "SIGSTOP");
    },
    resume: (name) => {
      signal(name, "SIGCONT");
    },
    startAgain: (name) => servers("start-one", name),
    stop: () => servers("stop"),
  };
};

/** The environment of a cell that is new, on an event store of one's own and whatever else the run has. */
export const newCellOn = ({ env }: OwnServers): Readonly<Record<string, string>> & { readonly PARLEY_CELL: string } => {
  const cell = `test-${randomBytes(5).toString("hex")}`;
  return {
    ...{ PARLEY_CELL: cell, PARLEY_MONGODB_DATABASE: `parley-${cell}` },
    PARLEY_EVENTSTORE_URL: env.PARLEY_EVENTSTORE_URL ?? "",
    PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
    PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
  };
};
