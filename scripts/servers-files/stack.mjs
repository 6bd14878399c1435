/** A set of servers in one directory: what runs is in its `servers.json`, so that any later process can end it. */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { engineNames, engines } from "./engines.mjs";
import { end, freePort, isOurs, launch, untilAnswers } from "./processes.mjs";

const prefix = "parley-servers-";
const answerWithinMs = 60_000;
const portsTriedMax = 3;
const fileOf = (dir) => join(dir, "servers.json");

/** @throws Error when no servers were started in `dir`. */
export const readStack = (dir) => {
  if (!existsSync(fileOf(dir))) throw new Error(`no servers were started in ${dir}`);
  const stack = JSON.parse(readFileSync(fileOf(dir), "utf8"));
  for (const [name, server] of Object.entries(stack.servers)) server.pid = pidIn(dir, name) ?? server.pid;
  return stack;
};
/** In files of their own: two servers may be started again at the same moment. */
const pidFile = (dir, name) => join(dir, `${name}.pid`);
const pidIn = (dir, name) =>
  existsSync(pidFile(dir, name)) ? Number(readFileSync(pidFile(dir, name), "utf8")) : undefined;
const writeStack = (stack) => {
  const file = fileOf(stack.dir);
  writeFileSync(`${file}.new`, JSON.stringify(stack, undefined, 2) + "\n", { mode: 0o600 });
  renameSync(`${file}.new`, file);
};

/** Directories of sets that were started without `--dir`. */
export const knownStacks = () =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name))
    .filter((dir) => existsSync(fileOf(dir)));

/**
 * Starts the named servers, each on a free port with its data in a directory of its own, and resolves when all answer.
 * One that does not start, or `signal`, ends them all. `say` is told each step. @throws Error
 */
export const startStack = async ({ names = engineNames, dir: wanted, say = () => undefined, signal } = {}) => {
  const missing = names.flatMap((name) => engines[name].lacks() ?? []);
  if (missing.length > 0) throw new Error(`${missing.join("; ")}. Run: scripts/servers install`);
  const isMade = wanted === undefined || !existsSync(wanted);
  const dir = wanted === undefined ? mkdtempSync(join(tmpdir(), prefix)) : resolve(wanted);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (readdirSync(dir).length > 0) throw new Error(`${dir} is not empty: stop the servers there, or name another one`);
  const stack = { dir, isMade, servers: {}, env: { PARLEY_SERVERS_DIR: dir, ...secrets(names) } };
  writeStack(stack);
  const outcomes = await Promise.allSettled(names.map((name) => startFirst(stack, name, say, signal)));
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed === undefined) return stack;
  await stopStack(dir, say);
  throw failed.reason;
};

/**
 * Ends every server of the set, and of sets that tests have started inside its directory, and removes what they kept.
 * @throws Error when one does not end.
 */
export const stopStack = async (dir, say = () => undefined) => {
  const stack = readStack(dir);
  for (const name of readdirSync(dir).filter(isNested)) {
    if (existsSync(fileOf(join(dir, name)))) await stopStack(join(dir, name), say);
  }
  await Promise.all(Object.entries(stack.servers).map(([name, server]) => stopServer(dir, name, server, say)));
  for (const name of readdirSync(dir)) {
    if (stack.isMade || isPartOf(stack, name)) rmSync(join(dir, name), { recursive: true, force: true });
  }
  if (stack.isMade) rmSync(dir, { recursive: true, force: true });
};
const stopServer = async (dir, name, { pid }, say, graceMs) => {
  await end(pid, join(dir, name), graceMs);
  say(`${name} has ended`);
};
const isPartOf = (stack, file) =>
  file.startsWith("servers.json") || isNested(file) || Object.hasOwn(stack.servers, file.replace(/\.(log|pid)$/, ""));
const isNested = (file) => file.startsWith("own-");

/** Starts a server of the set again, on its port and data. One that runs stays. @throws Error */
export const startOne = async (dir, name, say = () => undefined) => {
  const stack = readStack(dir);
  const { port, pid } = serverOf(stack, name);
  if (isOurs(pid, join(dir, name))) return say(`${name} runs already`);
  await startOn(stack, name, port);
  say(`${name} answers on port ${port}`);
};

/** SIGKILL at once (`graceMs` 0), or SIGTERM first. Its data stays. */
export const endOne = async (dir, name, say = () => undefined, graceMs = 0) => {
  await stopServer(dir, name, serverOf(readStack(dir), name), say, graceMs);
};

/** What each server says now. */
export const statusOf = (dir) => {
  const stack = readStack(dir);
  return Promise.all(
    Object.entries(stack.servers).map(async ([name, { port, pid }]) => {
      const told = { name, title: engines[name].title, standIn: engines[name].standIn, port, pid };
      if (!isOurs(pid, join(dir, name))) return { ...told, healthy: false, reason: "it does not run" };
      return engines[name].answers(port).then(
        () => ({ ...told, healthy: true }),
        (error) => ({ ...told, healthy: false, reason: error.message }),
      );
    }),
  );
};

const serverOf = (stack, name) => {
  const server = stack.servers[name];
  if (server === undefined) throw new Error(`${name} is not among the servers in ${stack.dir}`);
  return server;
};

/** Between finding a free port and binding it another process may take it: then the next one. */
const startFirst = async (stack, name, say, signal) => {
  for (let tried = 1; ; tried++) {
    const port = await freePort();
    stack.servers[name] = { port };
    writeStack(stack);
    try {
      await startOn(stack, name, port, signal);
      stack.env[engines[name].variable] = engines[name].url(port);
      writeStack(stack);
      say(`${engines[name].title} on port ${port}`);
      return;
    } catch (error) {
      if (tried === portsTriedMax || !error.message.includes("ended by itself")) throw error;
    }
  }
};

const startOn = async (stack, name, port, signal) => {
  const data = join(stack.dir, name);
  const log = join(stack.dir, `${name}.log`);
  mkdirSync(data, { recursive: true });
  const pid = await launch(engines[name].command(port, data, stack.env), log);
  writeFileSync(pidFile(stack.dir, name), `${pid}\n`);
  stack.servers[name] = { pid, port };
  try {
    await untilAnswers(() => engines[name].answers(port), { pid, mark: data, withinMs: answerWithinMs, signal });
  } catch (error) {
    await end(pid, data, 0);
    throw new Error(`${name} did not start: ${error.message}\n${readFileSync(log, "utf8").slice(-2_000)}`, {
      cause: error,
    });
  }
};

/** Of this set alone. */
const secrets = (names) => ({
  ...(names.includes("s3") && {
    PARLEY_S3_ACCESS_KEY: `parley${randomBytes(6).toString("hex")}`,
    PARLEY_S3_SECRET_KEY: randomBytes(24).toString("hex"),
    PARLEY_S3_REGION: "us-east-1",
    PARLEY_S3_BUCKET: "parley",
  }),
  PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
  PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
});
