import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { UsageError } from "../arguments.js";
import { buildRevision, commitOf } from "./revision.js";

/** The build that takes turns with this one. */
export type Compared = {
  readonly commit: string;
  /** Its `parley.js`. */
  readonly cli: string;
  /** Turns of each. */
  readonly rounds: number;
};

const repository = fileURLToPath(new URL("../../../", import.meta.url));

/** Builds what `revision` names; it is gone when this process ends, however that comes about short of SIGKILL. */
export const buildCompared = (revision: string, rounds: number, say: (line: string) => void): Compared => {
  const commit = commitIn(revision);
  say(`building ${commit} (${revision})`);
  const { directory, remove } = buildRevision(repository, commit);
  process.once("exit", remove);
  return { commit, cli: join(directory, "bin/parley.js"), rounds };
};

const commitIn = (revision: string): string => {
  try {
    return commitOf(repository, revision);
  } catch (error) {
    throw new UsageError(`--compare: ${error instanceof Error ? error.message : String(error)}`);
  }
};
