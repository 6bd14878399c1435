import { cpus } from "node:os";
import type { BenchContext } from "../scenario.js";
import { startChild, type Child } from "./child.js";
import type { Process } from "./cpu.js";
import { listeningUrl, ownCli, poster, quiet, signToken, withoutSettings, type ParleyServer } from "./parley.js";

/** Gateways and projectors of the distributed profile, each in a process, over engines that run already. */
export type Cluster = Pick<ParleyServer, "token" | "post"> & {
  /** Of the gateways. */
  readonly urls: readonly [URL, ...URL[]];
  /** Gateways, in the order of `urls`, then projectors; the engines' processes are not ours to know. */
  readonly processes: readonly [Process, ...Process[]];
  /** Ends all processes. Rejects when one did not end cleanly. */
  readonly stop: () => Promise<void>;
};

export type ClusterOptions = {
  readonly gateways: number;
  readonly projectors: number;
  /** PARLEY_… for every process: the engines' addresses, secrets, database and cell. */
  readonly settings: Readonly<Record<string, string>>;
};

/** A process opens five engines, and a machine that is measured is busy. */
const startMsMax = 60_000;
/** The event store is shared with earlier runs, and a new database is made from all that is in it. */
export const catchUpMsMax = 300_000;

/** Resolves when all listen; whether the projectors have caught up, a first message shows. */
export const startCluster = async (context: BenchContext, options: ClusterOptions): Promise<Cluster> => {
  const children: Child[] = [];
  const start = async (role: "gateway" | "projector"): Promise<URL> => {
    const child = startChild({
      name: `parley serve --role ${role}`,
      command: [context.cli ?? ownCli, "serve", ...quiet, "--profile", "distributed", "--role", role].concat(
        ...["--seal", context.seal],
      ),
      nodeFlags: context.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", context.profileDir],
      // Many processes are there to use many cores; the load generator's own one, which they would inherit, is not enough.
      core: context.cores.server === undefined ? undefined : `0-${cpus().length - 1}`,
      env: { ...withoutSettings(process.env), ...options.settings },
    });
    children.push(child);
    return listeningUrl(await child.nextJson(startMsMax));
  };
  const stop = async (): Promise<void> => {
    const ends = await Promise.allSettled(children.map((child) => child.stop()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  };
  try {
    const times = (count: number, role: "gateway" | "projector") => Array.from({ length: count }, () => start(role));
    const [[first, ...others]] = await Promise.all([
      Promise.all(times(options.gateways, "gateway")),
      Promise.all(times(options.projectors, "projector")),
    ]);
    const [gateway, ...rest] = children;
    if (first === undefined || gateway === undefined) throw new RangeError("a cluster has at least one gateway");
    const secret = Buffer.from(options.settings.PARLEY_TOKEN_SECRET ?? "");
    const token = (userId: string): string => signToken(secret, userId);
    return {
      urls: [first, ...others],
      processes: [gateway, ...rest],
      ...{ token, post: poster(first, token, catchUpMsMax), stop },
    };
  } catch (error) {
    // The reason of the failed start matters more than how the other processes ended after it.
    await stop().catch(() => undefined);
    throw error;
  }
};
