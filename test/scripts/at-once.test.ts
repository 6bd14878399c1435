/** `npm run check` is no better than what puts its parts together: none that fails is lost among those that pass. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("../../scripts/at-once.mjs", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "parley-at-once-"));
beforeAll(() => {
  const scripts = { good: "echo fine", wrong: "echo a reason && echo more >&2 && exit 3", killed: "kill -9 $$" };
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name: "parts", scripts }));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});
const atOnce = (...names: readonly string[]) =>
  spawnSync(process.execPath, [program, ...names], { cwd: dir, encoding: "utf8" });

describe("npm scripts at once", () => {
  it("pass when each of them does", () => {
    expect(atOnce("good", "good", "good")).toMatchObject({ status: 0, stdout: "fine\nfine\nfine\n", stderr: "" });
  });

  it("fail with one that fails, is killed or is not there, after all have run, with what each of them printed", () => {
    const { status, stdout, stderr } = atOnce("wrong", "killed", "nowhere", "good");
    expect(status).toBe(1);
    for (const said of ["a reason\n", "more\n", "fine\n"]) expect(stdout).toContain(said);
    expect(stderr.split("\n").toSorted()).toEqual([
      "",
      "npm run killed: failed",
      "npm run nowhere: failed",
      "npm run wrong: failed",
    ]);
  });
});
