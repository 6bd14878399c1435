/** Starting and ending one process, for sure. A process is only ever signalled when its command line shows that it is ours. */
import { execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";

const pollEveryMs = 50;

/** Below those that outgoing connections take (32768 on Linux): no other program takes it while its server is down for a moment. */
const [portMin, portMax] = [20_000, 32_000];

/** A free port of 127.0.0.1 that a server can be killed on and started again. */
export const freePort = async () => {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(portMin, portMax);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${portMin} and ${portMax}`);
};

const isFree = (port) =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** Starts a process that outlives this one, with its output in the file `log`. @throws Error when it cannot be started. */
export const launch = ({ program, args, env = {} }, log) => {
  const output = openSync(log, "a");
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_")));
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", output, output],
    env: { ...inherited, ...env },
  });
  closeSync(output);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      child.unref();
      resolve(child.pid);
    });
  });
};

/** The words of a process's command line; empty when there is no such process, or only its remains. */
const commandLineOf = (pid) => {
  try {
    if (existsSync("/proc/self/cmdline")) return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    const [state = "Z", ...words] = execFileSync("ps", ["-o", "stat=,command=", "-p", String(pid)])
      .toString()
      .trim()
      .split(/\s+/);
    return state.startsWith("Z") ? "" : words.join(" ");
  } catch {
    return "";
  }
};

/** Whether `pid` lives and is the process whose command line holds `mark`: ids are used again. */
export const isOurs = (pid, mark) => pid !== undefined && commandLineOf(pid).includes(mark);

/** SIGTERM, then SIGKILL after `graceMs` (0: at once); resolves when the process is gone. @throws Error if it will not go. */
export const end = async (pid, mark, graceMs = 5_000) => {
  const waitUntilGone = async (ms) => {
    for (const until = Date.now() + ms; Date.now() < until; await wait(pollEveryMs))
      if (!isOurs(pid, mark)) return true;
    return !isOurs(pid, mark);
  };
  if (!isOurs(pid, mark)) return;
  if (graceMs > 0) {
    signal(pid, "SIGTERM");
    if (await waitUntilGone(graceMs)) return;
  }
  signal(pid, "SIGKILL");
  if (!(await waitUntilGone(10_000))) throw new Error(`process ${pid} does not end`);
};

const signal = (pid, name) => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
};

/**
 * Resolves when `ask` does. @throws Error when the process ended meanwhile, when `signal` aborts, or with the last
 * refusal after `withinMs`.
 */
export const untilAnswers = async (ask, { pid, mark, withinMs, signal }) => {
  for (const until = Date.now() + withinMs; ; await wait(pollEveryMs)) {
    signal?.throwIfAborted();
    try {
      await ask();
    } catch (error) {
      if (!isOurs(pid, mark)) throw new Error("it ended by itself", { cause: error });
      if (Date.now() > until) throw new Error(`no answer in ${withinMs} ms: ${error.message}`, { cause: error });
      continue;
    }
    // Another server on this port would have answered too.
    if (isOurs(pid, mark)) return;
    throw new Error("it ended by itself, and another server answers on its port");
  }
};
