import { startEcho, type EchoOptions } from "../floors/echo.js";
import { floorTimesOf, meanOf, type Times } from "../load/measure.js";
import type { BenchContext, Figures } from "../scenario.js";
import { startParley, type ParleyServer } from "../server/parley.js";

/** Runs `use` with a fresh server and ends it. */
export const withParley = async <A>(context: BenchContext, use: (server: ParleyServer) => Promise<A>): Promise<A> => {
  const server = await startParley(context);
  let result: A;
  try {
    result = await use(server);
  } catch (error) {
    throw await withEndOf(server, error);
  }
  await server.stop();
  return result;
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

/** The same with its echo floor beside it. */
export const withServers = async <A>(
  context: BenchContext,
  use: (server: ParleyServer, floored: Floored) => Promise<A>,
): Promise<A> => {
  const echo = await startEcho(context);
  const floored: Floored = async (options, measure) => {
    const times = floorTimesOf(context);
    const floorOf = { echo: () => echo.measure({ ...options, ...times }) };
    const { figures, floors } = await between(context, JSON.stringify(options.pace), floorOf, measure);
    return { figures, floor: floors.echo };
  };
  try {
    return await withParley(context, (server) => use(server, floored));
  } finally {
    await echo.stop();
  }
};

export type Floored = (
  options: Omit<EchoOptions, keyof Times>,
  measure: () => Promise<Figures>,
) => Promise<{ readonly figures: Figures; readonly floor: Figures }>;

/** Each floor before and after the measurement: a machine that others use drifts. `variant` names it in the round. */
export const between = async <Name extends string>(
  { floorsOfRound }: Pick<BenchContext, "floorsOfRound">,
  variant: string,
  floors: Readonly<Record<Name, () => Promise<Figures>>>,
  measure: () => Promise<Figures>,
): Promise<{ readonly figures: Figures; readonly floors: Readonly<Record<Name, Figures>> }> => {
  const all = async (): Promise<Readonly<Record<Name, Figures>>> => {
    const taken: Partial<Record<Name, Figures>> = {};
    for (const name of Object.keys(floors) as Name[]) taken[name] = await floors[name]();
    return taken as Readonly<Record<Name, Figures>>;
  };
  type Known = Readonly<Record<Name, Figures>> | undefined;
  const known = floorsOfRound?.get(variant) as Known;
  if (known !== undefined) return { figures: await measure(), floors: known };
  const before = await all();
  const figures = await measure();
  const after = await all();
  const mean = Object.keys(floors).map((name) => [name, meanOf(before[name as Name], after[name as Name])]);
  const taken = Object.fromEntries(mean) as Readonly<Record<Name, Figures>>;
  floorsOfRound?.set(variant, taken);
  return { figures, floors: taken };
};
