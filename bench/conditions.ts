import { execFileSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import type { BenchContext } from "./scenario.js";

/** The output of a program, undefined when it is missing or fails. */
const tryRun = (program: string, ...args: readonly string[]): string | undefined => {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined; // the conditions then say that it is unknown
  }
};

export type Cores = BenchContext["cores"];

/** Server on core 0, load generator on core 1; unpinned without `taskset` or a second core. */
export const chooseCores = (): Cores =>
  availableParallelism() >= 2 && tryRun("taskset", "--version") !== undefined
    ? { server: 0, load: 1 }
    : { server: undefined, load: undefined };

/** Pins all threads of this process. */
export const pinSelf = ({ load }: Cores): void => {
  if (load !== undefined)
    execFileSync("taskset", ["-a", "-p", "-c", String(load), String(process.pid)], { stdio: "ignore" });
};

/** File systems by the magic number of statfs(2); a log in memory would make every flush look free. */
const fileSystems: Readonly<Record<number, string>> = {
  0xef53: "ext",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs (in memory: nothing is durable)",
  0x794c7630: "overlayfs",
};

const fileSystemOf = (path: string): string => {
  const { type } = statfsSync(path);
  return fileSystems[type] ?? `0x${type.toString(16)}`;
};

/** What a reader has to know to compare these figures with others. */
export const conditionsOf = (context: BenchContext): Readonly<Record<string, unknown>> => ({
  date: new Date().toISOString(),
  revision: revision(),
  node: process.version,
  kernel: `${process.platform} ${release()}`,
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  loadAverageBefore: loadavg().map((value) => Number(value.toFixed(2))),
  pinned:
    context.cores.server === undefined
      ? "no: taskset or a second core is missing"
      : `taskset: server and floors on core ${context.cores.server}, load generator on core ${context.cores.load ?? "?"}`,
  fileSystem: `${fileSystemOf(context.dataRoot)} at ${context.dataRoot}`,
  seal: context.seal,
  secondsPerMeasurement: context.seconds,
  scale: context.scale,
  server: context.cli ?? "this build",
  profiled: context.profileDir ?? false,
});

/** `git describe` of the checkout that was built; `-dirty` says that it was not a commit. */
const revision = (): string =>
  (existsSync(".git") ? tryRun("git", "describe", "--always", "--dirty", "--abbrev=12") : undefined) ?? "unknown";
