import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeDirectory, removeDirectory } from "./left-behind.js";

/** Without it there are no figures of other processes' CPU. */
export const hasProc = existsSync("/proc/self/schedstat");

/** Names the file in which a process's threads write down their numbers and names. */
export const threadsFileVariable = "BENCH_THREADS_FILE";
/** V8's compiler and collector, and the pool of libuv: all threads that run no script of ours. */
export const helpers = "helpers";

export type ThreadNames = {
  /** What starts a process whose threads tell their names. */
  readonly env: (inherited: NodeJS.ProcessEnv) => NodeJS.ProcessEnv;
  /** Those that have told so far: `main`, and each worker by its script. */
  readonly read: () => ReadonlyMap<number, string>;
  readonly remove: () => void;
};

/** For one process. It works with any build, since it asks nothing of it. */
export const createThreadNames = (): ThreadNames => {
  const directory = makeDirectory(tmpdir(), "threads");
  const file = join(directory, "threads");
  const script = new URL("./tell-thread.js", import.meta.url).href;
  return {
    env: (inherited) => ({
      ...inherited,
      ...(hasProc
        ? { [threadsFileVariable]: file, NODE_OPTIONS: `${inherited.NODE_OPTIONS ?? ""} --import=${script}`.trim() }
        : {}),
    }),
    read: () => namesIn(existsSync(file) ? readFileSync(file, "utf8") : ""),
    remove: () => {
      removeDirectory(directory);
    },
  };
};

export const namesIn = (text: string): ReadonlyMap<number, string> =>
  new Map([...text.matchAll(/^(\d+) (.+)$/gm)].map(([, tid, name = ""]) => [Number(tid), name]));

/** Seconds of CPU by the name of a thread; threads of one name are one. */
export type ThreadSeconds = Readonly<Record<string, number>>;

/** What the threads of a process that live now have used so far, to the nanosecond. Needs /proc. */
export const threadSecondsOf = (pid: number, names: ReadonlyMap<number, string>): ThreadSeconds => {
  const seconds: Record<string, number> = {};
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const name = names.get(Number(tid)) ?? helpers;
    seconds[name] = (seconds[name] ?? 0) + runNanoseconds(`/proc/${pid}/task/${tid}/schedstat`) / 1e9;
  }
  return seconds;
};

const runNanoseconds = (file: string): number => {
  try {
    return Number(readFileSync(file, "latin1").split(" ", 1)[0]);
  } catch {
    return 0; // the thread has ended since the directory was read
  }
};

/** `weight` times each of `added`, on top of `seconds`. */
export const plus = (seconds: ThreadSeconds, added: ThreadSeconds, weight = 1): ThreadSeconds => {
  const names = new Set([...Object.keys(seconds), ...Object.keys(added)]);
  return Object.fromEntries([...names].map((name) => [name, (seconds[name] ?? 0) + weight * (added[name] ?? 0)]));
};

export const totalOf = (seconds: ThreadSeconds): number => Object.values(seconds).reduce((sum, each) => sum + each, 0);
