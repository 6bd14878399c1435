import { fileURLToPath } from "node:url";
import type { Times } from "../load/measure.js";
import type { Pace } from "../load/pace.js";
import { measurePairs, pairCount } from "../load/pair-chat.js";
import type { BenchContext, Figures } from "../scenario.js";
import { startChild } from "../server/child.js";
import { makeDirectory, removeDirectory } from "../server/left-behind.js";

export type Relay = {
  /** The pairs over the relay: same sockets, frames and load generator as over Parley. */
  readonly measure: (pace: Pace, times: Times) => Promise<Figures>;
  readonly stop: () => Promise<void>;
};

/** As long as the id of a direct conversation. */
const conversationOf = (pair: string): string => `d_${pair.padEnd(22, "-")}`;
const conversations = Array.from({ length: pairCount }, (_, pair) => conversationOf(String(pair)));

const scripts = { relay: "./relay-process.js", "durable-relay": "./durable-relay-process.js" } as const;
/** The durable one fills its file first. */
const startMsMax = 20_000;

/** On the server's core, and where it keeps anything on the server's disk. */
export const startRelay = async (context: BenchContext, kind: keyof typeof scripts): Promise<Relay> => {
  const directory = makeDirectory(context.dataRoot, "relay");
  const script = fileURLToPath(new URL(scripts[kind], import.meta.url));
  const child = startChild({ name: `the ${kind}`, command: [script, directory], core: context.cores.server });
  const stop = async (): Promise<void> => {
    await child.stop().finally(() => {
      removeDirectory(directory);
    });
  };
  try {
    const { url } = (await child.nextJson(startMsMax)) as { url: string };
    const place = {
      urls: [new URL(url)],
      token: (userId: string): string => conversationOf(userId.replace(/^\D+/, "")),
      target: { processes: [child] },
      tag: "",
      ownCopies: kind === "durable-relay",
    } as const;
    return { measure: (pace, times) => measurePairs(place, { ...times, conversations, pace }), stop };
  } catch (error) {
    // The reason of the failed start matters more than how the process ended after it.
    await stop().catch(() => undefined);
    throw error;
  }
};
