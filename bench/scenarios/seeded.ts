import { seedLog, type Seed, type Seeded } from "../log/seed.js";
import type { BenchContext } from "../scenario.js";
import { startParley, type ParleyServer } from "../server/parley.js";
import { makeDirectory, removeDirectory } from "../server/left-behind.js";

/** A directory with a history, removed afterwards. */
export const withSeededDirectory = async <A>(
  context: BenchContext,
  seed: Seed,
  use: (directory: string, seeded: Seeded) => Promise<A>,
): Promise<A> => {
  const directory = makeDirectory(context.dataRoot, "seeded");
  try {
    context.say(`  making ${seed.conversations} × ${seed.messagesEach} messages in the log`);
    return await use(directory, await seedLog(directory, seed));
  } finally {
    removeDirectory(directory);
  }
};

/** A server on such a directory; ended afterwards. */
export const withServerOn = async <A>(
  context: BenchContext,
  directory: string,
  use: (server: ParleyServer) => Promise<A>,
): Promise<A> => {
  const server = await startParley(context, directory);
  let result: A;
  try {
    result = await use(server);
  } catch (error) {
    // Its end does not matter beside what went wrong before.
    await server.stop().catch(() => undefined);
    throw error;
  }
  await server.stop();
  return result;
};

export const withSeededServer = <A>(
  context: BenchContext,
  seed: Seed,
  use: (server: ParleyServer, seeded: Seeded, directory: string) => Promise<A>,
): Promise<A> =>
  withSeededDirectory(context, seed, (directory, seeded) =>
    withServerOn(context, directory, (server) => use(server, seeded, directory)),
  );
