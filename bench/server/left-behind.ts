/** What a run starts and makes is gone when it ends, also when a signal to it alone ends it. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

const children = new Set<ChildProcess>();
const directories = new Set<string>();

process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const directory of directories) removeDirectory(directory);
});

/** It ends with this process at the latest. */
export const endsWithThis = (child: ChildProcess): void => {
  children.add(child);
  child.once("close", () => children.delete(child));
};

/** A new directory in `root`, for as long as it is not removed. */
export const makeDirectory = (root: string, purpose: string): string => {
  const directory = mkdtempSync(join(root, `parley-bench-${purpose}-`));
  directories.add(directory);
  return directory;
};

/** With all that is in it; a process that was killed a moment ago may still have written to it. */
export const removeDirectory = (directory: string): void => {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  directories.delete(directory);
};
