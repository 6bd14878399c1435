/** bin/parley.js as a shell starts it, with a node that only says how it was called. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "parley-launcher-"));
const node = join(directory, "node");
writeFileSync(node, `#!/bin/sh\nprintf '%s\\n' "$MALLOC_ARENA_MAX" "$@"\nexit 7\n`);
chmodSync(node, 0o755);
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const bin = resolve("bin/parley.js");
const called = (args: readonly string[], environment: NodeJS.ProcessEnv = {}, program = bin) => {
  const env = { PATH: `${directory}:/usr/bin:/bin`, ...environment };
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: "utf8" });
  const [arenas, ...words] = stdout.trimEnd().split("\n");
  return { status, stderr, arenas, words };
};
const flags = ["--min-semi-space-size=4", "--semi-space-growth-factor=8", "--max-semi-space-size=32"];

describe("bin/parley.js", () => {
  it("starts a server with a young generation for it, and takes over how it ended", () => {
    const serve = ["serve", "--data", "two words"];
    expect(called(serve)).toEqual({ status: 7, stderr: "", arenas: "2", words: [...flags, bin, ...serve] });
  });

  it.each([["token", "--user", "alice"], ["doctor"], ["--version"], []])(
    "gives %s nothing that it needs not",
    (...args) => {
      expect(called(args)).toEqual({ status: 7, stderr: "", arenas: "", words: [bin, ...args] });
    },
  );

  it("leaves alone what the operator has set", () => {
    const NODE_OPTIONS = "--enable-source-maps --max-semi-space-size=8";
    expect(called(["serve"], { NODE_OPTIONS }).words).toEqual([bin, "serve"]);
    expect(called(["serve"], { NODE_OPTIONS: "--enable-source-maps" }).words).toEqual([...flags, bin, "serve"]);
    expect(called(["serve"], { MALLOC_ARENA_MAX: "1" }).arenas).toBe("1");
  });

  it("is found through the link that npm makes", () => {
    const link = join(directory, "parley");
    symlinkSync(bin, link);
    expect(called(["serve"], {}, link).words).toEqual([...flags, link, "serve"]);
  });
});
