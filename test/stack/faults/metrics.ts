/** What processes count about themselves, as /metrics has it, and how much of it is new. */
import { metricsOf } from "../../kit/cluster.js";
import type { ServerProcess } from "../../kit/server.js";

type Server = Pick<ServerProcess, "url">;

/**
 * Counters live as long as the processes, which all tests share: answers how much each process' one has grown since this
 * call, in the order of `processes`. None of them may start anew in between. A name without labels is the sum over all.
 */
export const growthOf = async (
  processes: readonly Server[],
  name: string,
): Promise<() => Promise<readonly number[]>> => {
  const values = () => Promise.all(processes.map(async (one) => sum((await samplesOf(one, name)).map(valueOf))));
  const before = await values();
  return async () => (await values()).map((value, i) => value - (before[i] ?? 0));
};

/** One sample, labels included; NaN when it is not there. @throws (rejects) Error for any other answer than 200 */
export const sample = async (one: Server, name: string): Promise<number> => {
  const line = (await samplesOf(one, name)).find((line) => line.startsWith(`${name} `));
  return line === undefined ? NaN : valueOf(line);
};

export const sumOf = async (processes: readonly Server[], name: string): Promise<number> =>
  sum(await Promise.all(processes.map(async (one) => (await metricsOf(one))(name))));

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** The lines of a name; those with labels that a process has not counted yet are not there. */
const samplesOf = async ({ url }: Server, name: string): Promise<readonly string[]> => {
  const answer = await fetch(`${url()}/metrics`);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}: ${text}`);
  return text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
};

const valueOf = (line: string): number => Number(line.slice(line.lastIndexOf(" ") + 1));
