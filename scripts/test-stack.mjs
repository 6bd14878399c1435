/**
 * `npm run test:stack [-- --external] [-- --only NAME,NAME] [-- anything for vitest]`: the suites of test/stack on real
 * servers. Whatever happens, what was started is ended; the exit code is vitest's.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { engineNames, engines, repository, variables } from "./servers-files/engines.mjs";
import { install, wantsExtras } from "./servers-files/install.mjs";
import { startStack, stopStack } from "./servers-files/stack.mjs";

const help = `usage: npm run test:stack [-- [--external] [--only NAME,NAME] [arguments of vitest]]

Builds, starts ${engineNames.join(", ")} (installs what is missing), runs \`vitest run --project stack\`, ends them.
  --external   starts nothing: the environment names the servers (${variables.join(", ")})
  --only       starts only these; tests that need others are skipped. Clients and tools are installed where tests use them
`;
const exitOfSignal = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
const say = (text) => process.stdout.write(`${text}\n`);

/** Ends the step that runs now; further steps are not begun. */
let stopped;
let running;
const stop = new AbortController();
for (const name of Object.keys(exitOfSignal)) {
  process.on(name, () => {
    stopped ??= name;
    running?.kill(name);
    stop.abort(new Error(`ended by ${name}`));
  });
}

const main = async (args) => {
  if (args.includes("--help")) return say(help);
  const { external, names, rest } = read(args);
  if (external) return runExternal(rest);
  await timed("build", () => run("npm", ["run", "--silent", "build"]));
  await timed("install", () => install(names, say, wantsExtras(names, rest)));
  const stack = await timed("start", () => startStack({ names, say, signal: stop.signal }));
  try {
    const told = names.map((name) => `${engines[name].standIn ? "stand-in" : "real    "}  ${engines[name].title}`);
    await timed("tests", () => tests(rest, stack.env, told));
  } finally {
    await timed("stop", () => stopStack(stack.dir, say));
  }
};

const runExternal = async (rest) => {
  const missing = variables.filter((name) => (process.env[name] ?? "") === "");
  if (missing.length > 0) throw new Error(`--external: the environment lacks ${missing.join(", ")}`);
  await timed("build", () => run("npm", ["run", "--silent", "build"]));
  const secrets = {
    PARLEY_MASTER_KEY: process.env.PARLEY_MASTER_KEY ?? randomBytes(32).toString("base64"),
    PARLEY_TOKEN_SECRET: process.env.PARLEY_TOKEN_SECRET ?? randomBytes(32).toString("base64url"),
    // Nothing is started, and nothing may be killed: tests of faults are for servers of their own.
    PARLEY_STACK_EXTERNAL: "true",
    PARLEY_SERVERS_DIR: "",
  };
  const told = engineNames.map((name) => `external  ${name} at ${addressOf(engines[name].variable)}`);
  await timed("tests", () => tests(rest, secrets, told));
};

/** Without what may be a password. */
const addressOf = (variable) => (process.env[variable] ?? "").replace(/\/\/[^@/]*@/, "//…@").replace(/\?.*/, "");

/** The exit code of vitest becomes this process's. */
const tests = async (rest, env, told) => {
  const announce = () => say(`\nThe servers of this run:\n${told.map((line) => `  ${line}`).join("\n")}\n`);
  announce();
  const vitest = join(repository, "node_modules", "vitest", "vitest.mjs");
  process.exitCode = await exitOf(process.execPath, [vitest, "run", "--project", "stack", ...rest], env);
  announce();
};

const read = (args) => {
  const rest = [...args];
  const external = rest.includes("--external");
  if (external) rest.splice(rest.indexOf("--external"), 1);
  const at = rest.findIndex((arg) => arg === "--only" || arg.startsWith("--only="));
  if (at < 0) return { external, names: engineNames, rest };
  const [flag] = rest.splice(at, 1);
  const list = flag.includes("=") ? flag.slice(flag.indexOf("=") + 1) : rest.splice(at, 1)[0];
  const names = (list ?? "").split(",").filter((name) => name !== "");
  const unknown = names.filter((name) => !engineNames.includes(name));
  if (names.length === 0 || unknown.length > 0) throw new Error(`--only takes some of ${engineNames.join(",")}`);
  return { external, names, rest };
};

const timed = async (step, work) => {
  if (stopped !== undefined && step !== "stop") throw new Error(`ended by ${stopped}`);
  const startedAt = Date.now();
  try {
    return await work();
  } finally {
    say(`[test:stack] ${step}: ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`);
  }
};

const run = async (program, args) => {
  const code = await exitOf(program, args, {});
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}`);
};

const exitOf = (program, args, env) =>
  new Promise((resolve, reject) => {
    running = spawn(program, args, { cwd: repository, stdio: "inherit", env: { ...process.env, ...env } });
    running.on("error", reject);
    running.on("exit", (code, signal) => {
      running = undefined;
      resolve(code ?? exitOfSignal[signal] ?? 1);
    });
  });

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`test:stack: ${error.message}\n`);
  process.exitCode = 1;
}
if (stopped !== undefined) process.exitCode = exitOfSignal[stopped];
