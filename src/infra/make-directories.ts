import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a directory (mode 700) with those that it is in. One by one: Node's own recursive mkdir tries for ever where the
 * nearest one takes no directories, as /proc does, and no signal ends it.
 * @throws Error that says which could not be made
 */
export const makeDirectories = (dir: string): void => {
  const path = resolve(dir);
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
};
