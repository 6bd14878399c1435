import { fileURLToPath } from "node:url";
import type { BenchContext } from "../scenario.js";
import { startChild } from "./child.js";
import type { Process } from "./cpu.js";
import { withoutSettings } from "./parley.js";

export type EventStoreServer = Process & {
  /** `esdb://127.0.0.1:PORT?tls=false`. */
  readonly url: string;
  /** Rejects when it did not end cleanly. */
  readonly stop: () => Promise<void>;
};

const scripts = {
  /** As shipped: answers are written into buffers by hand. */
  prebuilt: [fileURLToPath(new URL("../../src/eventstore-server/process.js", import.meta.url)), "--writable"],
  /** For comparison: the generated code serialises the same answers. */
  jspb: [fileURLToPath(new URL("../log/eventstore-jspb-process.js", import.meta.url))],
} as const;
const startMsMax = 20_000;

/** The embedded log of `directory` behind its gRPC port, alone in a process on the server's core. */
export const startEventStoreServer = async (
  context: BenchContext,
  encoding: keyof typeof scripts,
  directory: string,
): Promise<EventStoreServer> => {
  const child = startChild({
    name: `the log's gRPC port (${encoding})`,
    command: [...scripts[encoding], "--data", directory],
    nodeFlags: context.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", context.profileDir],
    core: context.cores.server,
    env: withoutSettings(process.env),
  });
  try {
    const { url } = (await child.nextJson(startMsMax)) as { url: string };
    return { pid: child.pid, url, stop: child.stop };
  } catch (error) {
    // The reason of the failed start matters more than how the process ended after it.
    await child.stop().catch(() => undefined);
    throw error;
  }
};
