import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readArguments, UsageError } from "../../bench/arguments.js";
import { buildRevision, commitOf, withoutGit } from "../../bench/compare/revision.js";
import { sideBySide, tableOf } from "../../bench/compare/side-by-side.js";
import { takeTurns } from "../../bench/compare/take-turns.js";
import { goal, row, type BenchContext, type Row } from "../../bench/scenario.js";
import { between } from "../../bench/scenarios/with-floor.js";

const rowOf = (messagesPerSecond: number, relay: number): Row =>
  row({
    variant: "window 8",
    figures: { messagesPerSecond },
    floors: { relay: { is: "a relay", figures: { messagesPerSecond: relay } } },
    goals: [goal("of the relay", messagesPerSecond / relay, { atLeast: 0.13, aim: 0.15 })],
  });

describe("two builds side by side", () => {
  const rounds = [10, 30, 20].map((rate, index) => ({
    own: [rowOf(rate, 100)],
    other: [rowOf(rate / 2 + index, 100)],
  }));
  const [compared] = sideBySide(rounds);

  it("are the medians of their rounds, with their ratio and the verdict on the median", () => {
    expect(compared).toMatchObject({
      ...{ variant: "window 8", rounds: 3, figures: { messagesPerSecond: 20 }, ratio: { messagesPerSecond: 1.667 } },
      floors: { relay: { figures: { messagesPerSecond: 100 }, ratio: { messagesPerSecond: 0.2 } } },
      goals: [{ says: "of the relay", value: 0.2, atLeast: 0.13, aim: 0.15, met: true }],
      other: { figures: { messagesPerSecond: 12 }, goals: [{ value: 0.12, met: false }] },
    });
  });

  it("are printed beside each other, with what either is of the floor", () => {
    const [heading, rate, share] = tableOf(compared ?? expect.fail(), /PerSecond$/, ["this build", "abc"]);
    expect(heading?.trim().split(/ {2,}/)).toEqual(["window 8", "this build", "abc", "ratio"]);
    expect(rate?.trim().split(/ {2,}/)).toEqual(["messagesPerSecond", "20", "12", "1.667"]);
    expect(share?.trim().split(/ {2,}/)).toEqual(["messagesPerSecond ÷ relay", "0.2", "0.12"]);
  });

  it("are refused where a round lacks a variant", () => {
    expect(() => sideBySide([{ own: [rowOf(1, 1)], other: [] }])).toThrow("a round has no window 8");
  });
});

it("builds take turns, and a round's floors are measured once, with the first of them", async () => {
  const turns: string[] = [];
  const scenario = {
    ...{ name: "some", summary: "" },
    run: async (context: BenchContext) => {
      const name = context.cli ?? "own";
      const floor = () => {
        turns.push(`floor beside ${name}`);
        return Promise.resolve({ messagesPerSecond: 100 });
      };
      const { figures, floors } = await between(context, "window 8", { relay: floor }, () => {
        turns.push(name);
        return Promise.resolve({ messagesPerSecond: name === "own" ? 30 : 15 });
      });
      return [row({ variant: "window 8", figures, floors: { relay: { is: "a relay", figures: floors.relay } } })];
    },
  };
  const context = readContext();
  const rows = await takeTurns(scenario, context, { commit: "abc", cli: "other", rounds: 2 });
  const round = ["floor beside own", "own", "floor beside own", "other"];
  expect(turns).toEqual([...round, ...round]);
  expect(rows).toMatchObject([
    { ratio: { messagesPerSecond: 2 }, other: { floors: { relay: { ratio: { messagesPerSecond: 0.15 } } } } },
  ]);
});

const readContext = (): BenchContext => ({
  ...{ seconds: 1, scale: 1, seal: "on", dataRoot: "", cli: undefined, profileDir: undefined },
  cores: { server: undefined, load: undefined },
  say: () => undefined,
});

it("the command line names a revision and how many turns each build has", () => {
  expect(readArguments(["pairs", "--compare", "HEAD~1", "--rounds", "5"])).toMatchObject({
    compare: "HEAD~1",
    rounds: 5,
  });
  expect(readArguments([])).toMatchObject({ compare: undefined, rounds: 3 });
  for (const rounds of ["0", "1.5", "101", "x"])
    expect(() => readArguments(["--rounds", rounds]), rounds).toThrow(UsageError);
});

describe("another revision", () => {
  const repository = mkdtempSync(join(tmpdir(), "parley-bench-test-"));
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: repository,
      env: { ...withoutGit(process.env), GIT_CONFIG_GLOBAL: "/dev/null" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  const commit = (build: string): void => {
    writeFileSync(join(repository, "package.json"), JSON.stringify({ name: "t", scripts: { build } }));
    git("add", "package.json");
    git("commit", "--quiet", "--message", build);
  };
  const worktrees = (): number => git("worktree", "list").trim().split("\n").length;

  beforeAll(() => {
    git("init", "--quiet");
    mkdirSync(join(repository, "node_modules"));
    writeFileSync(join(repository, "node_modules", "package"), "of this build");
    commit("cp node_modules/package built");
    commit("echo it lacks a package; exit 1");
  });
  afterAll(() => {
    rmSync(repository, { recursive: true, force: true });
  });

  it("is built with the packages of this one, and removed without them", () => {
    const { directory, remove } = buildRevision(repository, commitOf(repository, "HEAD~1"));
    expect(readFileSync(join(directory, "built"), "utf8")).toBe("of this build");
    remove();
    remove();
    expect([existsSync(directory), worktrees()]).toEqual([false, 1]);
    expect(existsSync(join(repository, "node_modules", "package"))).toBe(true);
  });

  it("that does not build says why and leaves nothing", () => {
    expect(() => buildRevision(repository, commitOf(repository, "HEAD"))).toThrow("it lacks a package");
    expect(worktrees()).toBe(1);
  });

  it("that is none is refused", () => {
    expect(() => commitOf(repository, "no-such-revision")).toThrow("no-such-revision");
  });
});
