import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Another state of the repository, built. */
export type Revision = {
  /** Its commit, shortened. */
  readonly commit: string;
  readonly directory: string;
  /** Removes it; harmless when it is gone. */
  readonly remove: () => void;
};

const buildMsMax = 300_000;

/** Within a hook git names its repository to all that it starts: none of it is meant for this one. */
export const withoutGit = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("GIT_")));

/** What a program prints. Throws with the end of what it said where it fails. */
const run = (directory: string, program: string, ...args: readonly string[]): string => {
  try {
    const env = withoutGit(process.env);
    const options = { cwd: directory, env, encoding: "utf8", timeout: buildMsMax, maxBuffer: 2 ** 26 } as const;
    return execFileSync(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] }).trim();
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout?: string; readonly stderr?: string };
    const said = `${stdout ?? ""}${stderr ?? ""}`.trim().slice(-2_000);
    throw new Error(`${program} ${args.join(" ")} failed: ${said === "" ? String(cause) : said}`, { cause });
  }
};

/** The commit that `revision` names. Throws where it names none. */
export const commitOf = (repository: string, revision: string): string =>
  run(repository, "git", "rev-parse", "--verify", "--short=12", "--end-of-options", `${revision}^{commit}`);

/**
 * Checks `commit` out into a worktree of its own, beside the checkout, and builds it there with the packages of this one:
 * a revision that needs others does not build, and says so. Nothing is left of it when that fails.
 */
export const buildRevision = (repository: string, commit: string): Revision => {
  const parent = mkdtempSync(join(tmpdir(), "parley-bench-revision-"));
  const directory = join(parent, "tree");
  const packages = join(directory, "node_modules");
  const remove = (): void => {
    // First the link, so that whatever removes the tree has no way to follow it.
    tryTo(() => {
      unlinkSync(packages);
    });
    tryTo(() => run(repository, "git", "worktree", "remove", "--force", directory));
    rmSync(parent, { recursive: true, force: true });
    run(repository, "git", "worktree", "prune");
  };
  try {
    run(repository, "git", "worktree", "add", "--detach", directory, commit);
    symlinkSync(resolve(repository, "node_modules"), packages);
    run(directory, "npm", "run", "--silent", "build");
    return { commit, directory, remove };
  } catch (error) {
    remove();
    throw error;
  }
};

/** It may not be there yet, or no more; what matters is that nothing is left after it. */
const tryTo = (act: () => unknown): void => {
  try {
    act();
  } catch {
    // `rmSync` and `prune` after it do what is left to do, and say what they cannot
  }
};
