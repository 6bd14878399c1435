/** A token secret's length is judged alike by the starts and the doctors of both profiles. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { diagnoseDistributed } from "../../../src/operate/doctor/distributed.js";
import { checkTokenSecret } from "../../../src/operate/doctor/token-secret.js";
import { readDistributedConfig } from "../../../src/settings/distributed.js";
import { enginesAway } from "../../kit/engines-away.js";

const dir = mkdtempSync(join(tmpdir(), "parley-token-secret-"));
afterAll(() => {
  rmSync(dir, { recursive: true });
});
const ofBytes = (length: number) => ({ PARLEY_TOKEN_SECRET: "s".repeat(length) });
const embedded = (length: number) => checkTokenSecret(dir, ofBytes(length));
const distributed = async (length: number) =>
  (await diagnoseDistributed({}, { ...enginesAway, ...ofBytes(length) })).checks;

describe("a token secret", () => {
  it("of 16 to 31 bytes is warned of by both doctors, in the same words", async () => {
    for (const length of [16, 31]) {
      const check = await embedded(length);
      expect(check).toMatchObject({
        state: "warning",
        says: `${length} bytes, from PARLEY_TOKEN_SECRET, fewer than 32`,
      });
      expect(await distributed(length)).toContainEqual(check);
      expect(readDistributedConfig({}, { ...enginesAway, ...ofBytes(length) }).tokenSecret).toHaveLength(length);
    }
  });

  it("of fewer bytes is wrong to both, and refused where the distributed profile starts", async () => {
    expect(await embedded(15)).toMatchObject({ state: "wrong" });
    expect(await distributed(15)).toContainEqual(
      expect.objectContaining({
        state: "wrong",
        says: expect.stringMatching(/^PARLEY_TOKEN_SECRET must be at least 16 bytes/) as string,
      }),
    );
    expect(await embedded(0)).toMatchObject({ state: "wrong", says: expect.stringContaining("is empty") as string });
  });

  it("of 32 bytes and more is well", async () => {
    const check = await embedded(32);
    expect(check).toEqual({ name: "token secret", state: "ok", says: "32 bytes, from PARLEY_TOKEN_SECRET" });
    expect(await distributed(32)).toContainEqual(check);
  });
});
