import { fileURLToPath } from "node:url";
import { row, type Figures, type Scenario } from "../scenario.js";
import { startChild } from "../server/child.js";
import { makeDirectory, removeDirectory } from "../server/left-behind.js";

const script = fileURLToPath(new URL("../log/append-process.js", import.meta.url));
const floorIs = "one append = one pwrite of 4 KiB + fdatasync, one after the other (above 1: what group commit saves)";
const streamCounts = [1, 100];

type Measured = { readonly streams: number; readonly figures: Figures; readonly floor: Figures };

/** The event log without anything above it; its floor takes turns with it in the same process, on the same disk. */
export const logAppend: Scenario = {
  name: "log-append",
  summary: `the SQLite log alone: 600-byte events, one in flight per stream; ${streamCounts.join(" and ")} streams`,
  ofThisBuildOnly: true,
  run: async (context) => {
    const directory = makeDirectory(context.dataRoot, "log");
    const child = startChild({
      name: "the log process",
      command: [script, directory, String(context.seconds), ...streamCounts.map(String)],
      nodeFlags: context.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", context.profileDir],
      core: context.cores.server,
    });
    try {
      const patienceMs = 30_000 + streamCounts.length * context.seconds * 2_000;
      const measured = (await child.nextJson(patienceMs)) as readonly Measured[];
      await child.exited;
      return measured.map(({ streams, figures, floor }) =>
        row({ variant: `${streams} in flight`, figures, floors: { fdatasync: { is: floorIs, figures: floor } } }),
      );
    } finally {
      await child.stop().catch(() => undefined); // it has ended, or its error is on its way already
      removeDirectory(directory);
    }
  },
};
