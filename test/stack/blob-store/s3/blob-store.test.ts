import { randomBytes } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openS3, type S3BlobStore } from "../../../../src/infra/blob-store/s3/blob-store.js";
import { connectS3, type S3Options } from "../../../../src/infra/blob-store/s3/client.js";
import { blobStoreContract } from "../../../contract/blob-store.contract.js";
import { engine } from "../../../kit/engines.js";
import { withSeed } from "../../../kit/seed.js";

const url = engine("PARLEY_S3_URL");

const options = (changed: Partial<S3Options> = {}): S3Options => ({
  url: url ?? "http://127.0.0.1:1",
  accessKey: process.env.PARLEY_S3_ACCESS_KEY ?? "",
  secretKey: process.env.PARLEY_S3_SECRET_KEY ?? "",
  region: process.env.PARLEY_S3_REGION ?? "us-east-1",
  bucket: `parley-test-${randomBytes(8).toString("hex")}`,
  ...changed,
});

/** Empties a test's bucket and removes it. */
const dropBucket = async (chosen: S3Options): Promise<void> => {
  const { bucket } = chosen;
  const client = connectS3(chosen.url, chosen);
  if (!(await client.bucketExists(bucket))) return;
  const { uploads } = await client.listIncompleteUploadsQuery(bucket, "", "", "", "");
  for (const { key, uploadId } of uploads) await client.abortMultipartUpload(bucket, key, uploadId);
  for (;;) {
    const { objects } = await client.listObjectsV2Query(bucket, "", "", "", 1_000, "");
    const names = objects.flatMap(({ name }) => (name === undefined ? [] : [name]));
    if (names.length === 0) break;
    await client.removeObjects(bucket, names);
  }
  await client.removeBucket(bucket);
};

const used: S3Options[] = [];
const open = (changed: Partial<S3Options> = {}): S3BlobStore => {
  const chosen = options(changed);
  used.push(chosen);
  return openS3(chosen);
};
afterAll(async () => {
  if (url !== undefined) for (const chosen of used.splice(0)) await dropBucket(chosen);
});

describe.skipIf(url === undefined)("an S3 server", () => {
  blobStoreContract("S3", async () => {
    const store = open();
    expect(await store.conformance()).toMatchObject({ ok: true });
    return { store, close: () => Promise.resolve() };
  });

  it("has what Parley needs; the bucket is made, and nothing is left in it", async () => {
    const chosen = options();
    used.push(chosen);
    const first = await openS3(chosen).conformance();
    expect(first.missing.filter(({ needed }) => needed)).toEqual([]);
    expect(first.ok).toBe(true);
    await openS3(chosen).conformance();
    const { uploads, objects } = await listing(chosen);
    expect({ uploads, objects }).toEqual({ uploads: [], objects: [] });
  });

  it("signs for the address that clients have, without asking there", async () => {
    const store = open({ publicUrl: "https://files.example:8443" });
    const post = await store.grantUpload({ key: "k", contentType: "text/plain", bytes: 1, expiresSeconds: 60 });
    expect(post).toMatchObject({ kind: "post" });
    expect(post.kind === "post" && new URL(post.url).origin).toBe("https://files.example:8443");
    const download = await store.grantDownload({ key: "k", expiresSeconds: 60 });
    expect(new URL(download).origin).toBe("https://files.example:8443");
  });

  it("says that its keys are wrong, as something to mend", async () => {
    const store = openS3(options({ secretKey: "wrong" }));
    await expect(store.stat("k")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const { ok, missing } = await store.conformance();
    expect(ok).toBe(false);
    expect(missing).toHaveLength(1);
    expect(missing[0]).toMatchObject({ feature: "bucket", needed: true });
    expect(missing[0]?.fix).toContain("PARLEY_S3");
  });

  it("is away when its bucket is", async () => {
    const store = openS3(options());
    await expect(store.abortUploadsOf(Date.now())).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

const listing = async (chosen: S3Options) => {
  const { bucket } = chosen;
  const client = connectS3(chosen.url, chosen);
  const { uploads } = await client.listIncompleteUploadsQuery(bucket, "", "", "", "");
  const { objects } = await client.listObjectsV2Query(bucket, "", "", "", 10, "");
  return { uploads, objects };
};

describe("an S3 server that is not there", () => {
  it("is UNAVAILABLE when it refuses connections, and conformance says so", async () => {
    const store = openS3(options({ url: "http://127.0.0.1:1", accessKey: "a", secretKey: "s" }));
    await expect(store.stat("k")).rejects.toMatchObject({ code: "UNAVAILABLE", name: "BlobError" });
    const { ok, missing } = await store.conformance();
    expect([ok, missing.length, missing[0]?.feature]).toEqual([false, 1, "bucket"]);
  });

  it("is UNAVAILABLE when it accepts and stays silent: no call waits for ever", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const address = `http://127.0.0.1:${port}`;
    const store = openS3(options({ url: address, accessKey: "a", secretKey: "s", requestMsMax: 100 }));
    const away = (asked: Promise<unknown>) => expect(asked).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const large = { contentType: "text/plain", bytes: 2 ** 26, expiresSeconds: 60 };
    await away(store.stat("k"));
    await away(store.remove(["k"]));
    await away(store.grantUpload({ ...large, key: "k" }));
    await away(store.abortUpload({ key: "k", uploadId: "u" }));
    await away(store.abortUploadsOf(0));
    await away(store.completeUpload({ key: "k", bytes: 1 }));
    expect((await store.conformance()).ok).toBe(false);
    silent.close();
  });

  it("is refused by name for each feature, when it says yes to everything", async () => {
    const yes = createHttpServer((request, response) => {
      request.resume();
      response.end('<?xml version="1.0"?><Yes/>');
    });
    await new Promise<void>((resolve) => yes.listen(0, "127.0.0.1", resolve));
    const { port } = yes.address() as AddressInfo;
    const store = openS3(options({ url: `http://127.0.0.1:${port}`, accessKey: "a", secretKey: "s" }));
    const { ok, missing } = await store.conformance();
    expect(ok).toBe(false);
    expect(missing.map(({ feature }) => feature)).toEqual(
      expect.arrayContaining([
        "put, stat and get",
        "POST policy",
        "signatures",
        "multipart by presigned parts",
        "ranges",
      ]),
    );
    for (const { problem, fix } of missing) expect([problem, fix]).not.toContain("");
    yes.closeAllConnections();
    await new Promise((resolve) => yes.close(resolve));
  });

  it("is not opened at an address that is none", () => {
    for (const wrong of ["", "files", "ftp://files", "http://files/path", "http://files/?q"])
      expect(() => openS3(options({ url: wrong, accessKey: "a", secretKey: "s" }))).toThrow(TypeError);
  });
});

describe("what S3 signs", () => {
  const store = openS3(options({ url: "http://s3.example", accessKey: "a", secretKey: "s" }));

  it("never leaves its bucket, whatever is asked for as a key", async () => {
    const near = fc.array(fc.constantFrom("..", ".", "/", "\\", "%2e", "a", "?", "#", " ", "é", "\n"), {
      maxLength: 8,
    });
    const anyKey = fc.oneof(
      fc.string({ unit: "binary" }),
      near.map((parts) => parts.join("")),
    );
    await fc.assert(
      fc.asyncProperty(anyKey, async (key) => {
        const signed = await store.grantDownload({ key, expiresSeconds: 60 }).catch((error: unknown) => error);
        if (signed instanceof TypeError) return;
        if (typeof signed !== "string") throw new Error(`neither a URL nor a TypeError for ${JSON.stringify(key)}`);
        const { pathname } = new URL(signed);
        expect(pathname.slice(pathname.indexOf("/", 1) + 1)).toBe(key);
      }),
      withSeed({ numRuns: 1_000 }),
    );
  });

  it("is an attachment whatever the file's name", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (filename) => {
        const signed = await store.grantDownload({ key: "k", filename, expiresSeconds: 60 });
        const disposition = new URL(signed).searchParams.get("response-content-disposition") ?? "";
        expect(disposition).toMatch(/^attachment(?:; filename="[\w ._()-]+"; filename\*=UTF-8''[\w.!~%-]+)?$/);
      }),
      withSeed({ numRuns: 1_000 }),
    );
  });
});
