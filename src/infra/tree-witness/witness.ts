/** Tells heads to witnesses outside, whom whoever rewrites the log cannot rewrite. Nothing waits for them. */
import { appendFile } from "node:fs/promises";
import { asError } from "../../lib/errors.js";
import { backoffMs } from "../../lib/retry.js";
import { pause } from "../../lib/time.js";

export type Witness = {
  /** One line of JSON. */
  readonly tell: (line: string) => void;
  /** Gives up what could not be told; the next start tells the newest head again. */
  readonly stop: () => Promise<void>;
};

export type WitnessOptions = {
  readonly name: string;
  /** Rejects when it was not taken; then it is tried again. */
  readonly put: (line: string, stopped: AbortSignal) => Promise<void>;
  readonly onProblem: (error: Error) => void;
};

/** Heads that wait for a witness who is away; beyond it the oldest go, of which each newer one says as much. */
const waitingMax = 1_000;
const backoff = { msMin: 500, msMax: 60_000, steady: 0.5 };
const answerMsMax = 10_000;

export const createWitness = ({ name, put, onProblem }: WitnessOptions): Witness => {
  const waiting: string[] = [];
  const stopping = new AbortController();
  let telling: Promise<void> | undefined;
  const isStopped = (): boolean => stopping.signal.aborted;
  const run = async (): Promise<void> => {
    let failures = 0;
    for (let line = waiting[0]; line !== undefined && !isStopped(); line = waiting[0]) {
      try {
        await put(line, stopping.signal);
        failures = 0;
        if (waiting[0] === line) waiting.shift();
      } catch (error) {
        if (isStopped()) return;
        onProblem(new Error(`the witness ${name} did not take a head of the tree: ${asError(error).message}`));
        await pause(backoffMs(failures, backoff), { stopped: stopping.signal, unref: true });
        failures += 1;
      }
    }
  };
  return {
    tell: (line) => {
      waiting.push(line);
      if (waiting.length > waitingMax) waiting.shift();
      telling ??= run().finally(() => (telling = undefined));
    },
    stop: async () => {
      stopping.abort();
      await telling;
    },
  };
};

/** Appends a line for each. */
export const toFile =
  (path: string): WitnessOptions["put"] =>
  (line) =>
    appendFile(path, `${line}\n`, { mode: 0o600, flush: true });

/** Posts each as JSON; 2xx takes it. A user and a password in the URL go as basic authorization. */
export const toUrl = (address: string): WitnessOptions["put"] => {
  const url = new URL(address);
  const { username, password } = url;
  [url.username, url.password] = ["", ""];
  const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  const headers = {
    "content-type": "application/json",
    ...(username === "" ? {} : { authorization: `Basic ${basic}` }),
  };
  return async (body, stopped) => {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(answerMsMax)]);
    const response = await fetch(url, { method: "POST", headers, body, signal });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`it answered ${response.status}`);
  };
};
