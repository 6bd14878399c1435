import { startEcho, type EchoOptions } from "../floors/echo.js";
import { floorTimesOf, meanOf, type Times } from "../load/measure.js";
import type { BenchContext, Figures } from "../scenario.js";
import { startParley, type ParleyServer } from "../server/parley.js";

/** Runs `use` with a fresh server and its echo floor beside it, and ends both. */
export const withServers = async <A>(
  context: BenchContext,
  use: (server: ParleyServer, floored: Floored) => Promise<A>,
): Promise<A> => {
  const echo = await startEcho(context);
  try {
    const server = await startParley(context);
    let result: A;
    try {
      result = await use(server, (options, measure) => between(echo.measure, context, options, measure));
    } catch (error) {
      throw await withEndOf(server, error);
    }
    await server.stop();
    return result;
  } finally {
    await echo.stop();
  }
};

/** The error, and how the server ended when that was not in order: a crash is why connections close. */
const withEndOf = async (server: ParleyServer, error: unknown): Promise<unknown> => {
  try {
    await server.stop();
    return error;
  } catch (end) {
    return new Error(`${String(error)}; ${String(end)}`, { cause: error });
  }
};

export type Floored = (
  options: Omit<EchoOptions, keyof Times>,
  measure: () => Promise<Figures>,
) => Promise<{ readonly figures: Figures; readonly floor: Figures }>;

/** The floor before and after the measurement, each half as long: a machine that others use drifts. */
const between = async (
  echo: (options: EchoOptions) => Promise<Figures>,
  context: BenchContext,
  options: Omit<EchoOptions, keyof Times>,
  measure: () => Promise<Figures>,
): Promise<{ figures: Figures; floor: Figures }> => {
  const floorOptions = { ...options, ...floorTimesOf(context) };
  const before = await echo(floorOptions);
  const figures = await measure();
  const after = await echo(floorOptions);
  return { figures, floor: meanOf(before, after) };
};
