/** Heads of the tree in a bucket with object lock: what the server holds for them, and what it refuses. */
import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { connectS3 } from "../../../src/infra/blob-store/s3/client.js";
import { openLockedObjects, type LockOptions } from "../../../src/infra/blob-store/s3/locked-objects.js";
import { toS3 } from "../../../src/infra/tree-witness/s3.js";
import { createWitness } from "../../../src/infra/tree-witness/witness.js";
import { checkWitnesses } from "../../../src/operate/doctor/witness.js";
import { engine } from "../../kit/engines.js";
import { mayStartServers } from "../../kit/own-servers.js";

const url = engine("PARLEY_S3_URL");

/** What is locked nobody can remove: only where the server's directory goes with the run. */
const isOurs = url !== undefined && mayStartServers;

const options = (changed: Partial<LockOptions> = {}): LockOptions => ({
  url: url ?? "http://127.0.0.1:1",
  accessKey: process.env.PARLEY_S3_ACCESS_KEY ?? "",
  secretKey: process.env.PARLEY_S3_SECRET_KEY ?? "",
  region: process.env.PARLEY_S3_REGION ?? "us-east-1",
  bucket: `parley-heads-${randomBytes(8).toString("hex")}`,
  ...{ mode: "compliance", days: 1 },
  ...changed,
});
const clientOf = (chosen: LockOptions) => connectS3(chosen.url, chosen);
const makeBucket = (chosen: LockOptions, ObjectLocking: boolean): Promise<void> =>
  clientOf(chosen).makeBucket(chosen.bucket, chosen.region, { ObjectLocking });
const objectsIn = async (chosen: LockOptions): Promise<readonly string[]> => {
  const objects = (await clientOf(chosen).listObjectsV2(chosen.bucket, "", true).toArray()) as {
    readonly name: string;
  }[];
  return objects.map(({ name }) => name);
};
const contentOf = async (chosen: LockOptions, name: string): Promise<string> => {
  const body = await clientOf(chosen).getObject(chosen.bucket, name);
  return Buffer.concat((await body.toArray()) as Buffer[]).toString();
};
const head = (size: number, root = "ab") => JSON.stringify({ size, root, epoch: "e-1", signature: "s" });
const going = new AbortController().signal;

it.skipIf(!isOurs)(
  "a head is an object that nobody changes or removes, and told again it is the same one",
  async () => {
    const chosen = options();
    await makeBucket(chosen, true);
    const put = toS3(chosen);
    await put(head(7), going);
    await put(head(7), going);
    await put(head(1_000), going);
    // Another history's head of that size stands beside it, and neither hides the other.
    await put(head(7, "cd"), going);
    const names = await objectsIn(chosen);
    expect(names.map((name) => name.slice(0, "parley-tree/e-1/0000000000000007".length))).toEqual([
      "parley-tree/e-1/0000000000000007",
      "parley-tree/e-1/0000000000000007",
      "parley-tree/e-1/0000000000001000",
    ]);
    const [first = ""] = names;
    const content = await contentOf(chosen, first);
    expect([`${head(7)}\n`, `${head(7, "cd")}\n`]).toContain(content);
    const client = clientOf(chosen);
    const refused = { code: "AccessDenied" };
    await expect(client.removeObject(chosen.bucket, first)).rejects.toMatchObject(refused);
    await expect(client.removeObject(chosen.bucket, first, { governanceBypass: true })).rejects.toMatchObject(refused);
    await expect(client.putObject(chosen.bucket, first, "another")).rejects.toMatchObject(refused);
    const shorter = new Date(Date.now() + 60_000).toISOString();
    await expect(
      client.putObjectRetention(chosen.bucket, first, { mode: "COMPLIANCE", retainUntilDate: shorter } as never),
    ).rejects.toMatchObject(refused);
    expect(await contentOf(chosen, first)).toBe(content);
  },
);

it.skipIf(!isOurs)(
  "a bucket that is not there is told again until it is, and one without object lock is no witness",
  async () => {
    const chosen = options();
    const problems: string[] = [];
    let made: Promise<void> | undefined;
    const witness = createWitness({
      ...{ name: "bucket", put: toS3(chosen) },
      onProblem: (error) => {
        problems.push(error.message);
        made ??= makeBucket(chosen, true);
      },
    });
    witness.tell(head(1));
    witness.tell(head(2));
    await expect.poll(async () => made && (await made, (await objectsIn(chosen)).length)).toBe(2);
    await witness.stop();
    expect(problems[0]).toContain("did not take a head of the tree");

    const plain = options();
    await makeBucket(plain, false);
    await expect(toS3(plain)(head(1), going)).rejects.toThrow();
    expect(await openLockedObjects(plain).problem()).toContain("has no object lock; make it with object lock");
    expect(await openLockedObjects(options()).problem()).toContain("is not there");
    expect(await openLockedObjects(chosen).problem()).toBeUndefined();
    const settings = { headEvents: 1, headSeconds: 1 };
    const says = async (witnessS3: LockOptions) =>
      (await checkWitnesses({ ...settings, witnessS3 })).map(({ state }) => state);
    expect(await says(chosen)).toEqual(["ok"]);
    expect(await says(plain)).toEqual(["wrong"]);
    expect(await says(options({ secretKey: "wrong" }))).toEqual(["wrong"]);
  },
);
