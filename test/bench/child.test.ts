import { resolve } from "node:path";
import { expect, it } from "vitest";
import { startedBy } from "../../bench/server/child.js";

it("the bench starts a server by its launcher, which gives it its flags, and by node with flags of its own or what is no program", () => {
  const launcher = resolve("bin/parley.js");
  expect(startedBy([launcher, "serve"], [])).toEqual([launcher, "serve"]);
  expect(startedBy([launcher, "serve"], ["--cpu-prof"])).toEqual([process.execPath, "--cpu-prof", launcher, "serve"]);
  expect(startedBy(["bench/run.ts"], [])).toEqual([process.execPath, "bench/run.ts"]);
});
