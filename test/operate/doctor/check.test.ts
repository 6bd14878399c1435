import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { counted } from "../../../src/operate/doctor/check.js";
import { checkWitnesses } from "../../../src/operate/doctor/witness.js";

it("says one key, and no or two keys", () => {
  expect([0, 1, 2].map((count) => counted(count, "key"))).toEqual(["0 keys", "1 key", "2 keys"]);
});

it("says of each witness of the tree whether it could take a head, and asks none by HTTP", async () => {
  const settings = { headEvents: 1, headSeconds: 1, witnessUrl: "http://user:hidden@127.0.0.1:1/heads" };
  const dir = mkdtempSync(join(tmpdir(), "parley-witness-"));
  const states = async (witnessFile: string) =>
    (await checkWitnesses({ ...settings, witnessFile })).map(({ state }) => state);
  expect(await states(join(dir, "heads.ndjson"))).toEqual(["ok", "ok"]);
  expect(await states(join(dir, "nowhere", "heads.ndjson"))).toEqual(["wrong", "ok"]);
  expect(JSON.stringify(await checkWitnesses(settings))).not.toContain("hidden");
  rmSync(dir, { recursive: true });
});
