import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { endsWithThis } from "./left-behind.js";
import { createThreadNames } from "./threads.js";

export type ChildOptions = {
  /** What it is called in errors. */
  readonly name: string;
  /** Path of the script, then its arguments. */
  readonly command: readonly string[];
  /** Flags of node itself. */
  readonly nodeFlags?: readonly string[];
  /** The processor it runs on, or several as `taskset` names them; undefined: those of this process. */
  readonly core: number | string | undefined;
  readonly env?: NodeJS.ProcessEnv;
};

export type Child = {
  readonly pid: number;
  /** Its threads by number, as far as they run a script: `main`, and workers by their scripts' names. */
  readonly threadNames: () => ReadonlyMap<number, string>;
  /** The next line on stdout, parsed as JSON; rejects when the process ends first or takes longer than `patienceMs`. */
  readonly nextJson: (patienceMs: number) => Promise<unknown>;
  /** Resolves when it has ended by itself with code 0; rejects otherwise. */
  readonly exited: Promise<void>;
  /** SIGTERM, and SIGKILL when that did not help in 10 s. Rejects when it did not end with code 0. */
  readonly stop: () => Promise<void>;
};

/** The end of what the process said on stderr, for the error. */
const stderrBytesMax = 4096;
const stopMsMax = 10_000;

/** Starts a node process, pinned with `taskset`, which keeps the process id. */
export const startChild = ({ name, command, nodeFlags = [], core, env = process.env }: ChildOptions): Child => {
  const node = [process.execPath, ...nodeFlags, ...command];
  const [program = process.execPath, ...args] = core === undefined ? node : ["taskset", "-c", String(core), ...node];
  const threads = createThreadNames();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: threads.env(env) });
  endsWithThis(child);
  child.once("close", threads.remove);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started: ${program}`);

  const lastWords = collectEnd(child);
  const exited = exitOf(name, child, lastWords);
  // A caller that waits for a line or stops the process hears of its end; no other has to.
  exited.catch(() => undefined);

  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value, done } = (await lines.next()) as IteratorResult<string, undefined>;
    if (done !== true) return value;
    await exited;
    throw new Error(`${name} ended before it said what was awaited`);
  };

  return {
    pid,
    threadNames: threads.read,
    nextJson: async (patienceMs) => {
      const line = await withPatience(
        nextLine(),
        patienceMs,
        () => `${name} said nothing in ${patienceMs} ms: ${lastWords()}`,
      );
      return JSON.parse(line) as unknown;
    },
    exited,
    stop: async () => {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
      await exited.finally(() => {
        clearTimeout(kill);
      });
    },
  };
};

const collectEnd = (child: ChildProcess): (() => string) => {
  let end = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    end = (end + text).slice(-stderrBytesMax);
  });
  return () => end.trim();
};

const exitOf = (name: string, child: ChildProcess, lastWords: () => string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${name} ended with ${code ?? signal ?? "no code"}: ${lastWords()}`));
    });
  });

const withPatience = <A>(promise: Promise<A>, patienceMs: number, message: () => string): Promise<A> =>
  new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      reject(new Error(message()));
    }, patienceMs);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(patience);
    });
  });
