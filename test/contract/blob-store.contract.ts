/** What every `BlobStore` promises (commands/blob-store.ts), as one executable suite: clients are real ones, over HTTP. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BlobStore, UploadGrant, UploadRequest } from "../../src/commands/blob-store.js";

export type OpenedBlobStore = { readonly store: BlobStore; readonly close: () => Promise<void> };

const MiB = 1024 * 1024;
const contentType = "application/x-parley-test";
const expiresSeconds = 300;

export const blobStoreContract = (name: string, open: () => Promise<OpenedBlobStore>): void => {
  describe(`${name} as a blob store`, () => {
    let opened: OpenedBlobStore;
    let store: BlobStore;
    beforeAll(async () => {
      opened = await open();
      ({ store } = opened);
    });
    afterAll(async () => {
      await opened.close();
    });

    const grantPost = async (changed: Partial<UploadRequest> = {}): Promise<Post & { readonly key: string }> => {
      const request = { key: newKey(), contentType, bytes: 100, expiresSeconds, ...changed };
      const grant = await store.grantUpload(request);
      if (grant.kind !== "post") throw new Error("a small upload is one POST");
      return { ...grant, key: request.key };
    };
    const grantParts = async (changed: Partial<UploadRequest> = {}): Promise<Parts & { readonly key: string }> => {
      const request = { key: newKey(), contentType, bytes: 25 * MiB + 1, expiresSeconds, ...changed };
      const grant = await store.grantUpload(request);
      if (grant.kind !== "multipart") throw new Error("a large upload comes in parts");
      return { ...grant, key: request.key };
    };
    const uploaded = async (body: Buffer<ArrayBuffer>): Promise<string> => {
      const grant = await grantPost({ bytes: body.length });
      expect(await post(grant, body)).toBeLessThan(300);
      return grant.key;
    };

    it("takes what was granted, and says what it has", async () => {
      const grant = await grantPost({ bytes: 25 * MiB });
      expect(await post(grant, randomBytes(100))).toBeLessThan(300);
      const stat = await store.completeUpload({ key: grant.key, bytes: 25 * MiB });
      expect(stat).toMatchObject({ bytes: 100, contentType });
      expect(await store.stat(grant.key)).toEqual(stat);
      expect(await store.completeUpload({ key: grant.key, bytes: 25 * MiB })).toEqual(stat);
    });

    it.each([
      ["a byte more", {}, 101],
      ["nothing", {}, 0],
      ["another type", { "Content-Type": "text/html" }, 100],
      ["another key", { key: `other/${randomBytes(8).toString("hex")}` }, 100],
    ])("refuses %s than was granted", async (_, changed, bytes) => {
      const grant = await grantPost();
      expect(await post(grant, randomBytes(bytes), changed)).toBeGreaterThanOrEqual(400);
      const key = "key" in changed ? changed.key : grant.key;
      await expect(store.stat(key)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(store.completeUpload({ key, bytes: 100 })).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("refuses an upload with a forged grant", async () => {
      const grant = await grantPost();
      for (const [field, value] of Object.entries(grant.fields)) {
        if (!/policy|signature/i.test(field)) continue;
        expect(await post(grant, randomBytes(100), { [field]: forged(value) })).toBeGreaterThanOrEqual(400);
      }
      await expect(store.stat(grant.key)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("refuses an upload, a part and a download whose time is over", async () => {
      const key = await uploaded(randomBytes(10));
      const [first, parts, url] = await Promise.all([
        grantPost({ expiresSeconds: 1 }),
        grantParts({ expiresSeconds: 1 }),
        store.grantDownload({ key, expiresSeconds: 1 }),
      ]);
      const over = (ask: () => Promise<number>) => expect.poll(ask, { timeout: 60_000, interval: 200 });
      await over(async () => (await fetch(url)).status).toBe(403);
      await over(() => post(first, randomBytes(1))).toBe(403);
      await over(async () => (await putPart(parts, 1, randomBytes(1))).status).toBe(403);
      await store.abortUpload(parts);
    });

    it("downloads as an attachment with a name of any letters, whole and in ranges", async () => {
      const body = randomBytes(1_000);
      const key = await uploaded(body);
      const url = await store.grantDownload({ key, filename: 'naïve "file"\r\nx: y 文.txt', expiresSeconds });
      const whole = await fetch(url);
      expect(whole.status).toBe(200);
      expect(whole.headers.get("content-type")).toBe(contentType);
      expect(whole.headers.get("content-disposition")).toBe(
        `attachment; filename="na_ve _file_x_ y _.txt"; filename*=UTF-8''na%C3%AFve%20%22file%22x%3A%20y%20%E6%96%87.txt`,
      );
      expect(Buffer.from(await whole.arrayBuffer()).equals(body)).toBe(true);
      const range = await fetch(url, { headers: { range: "bytes=100-199" } });
      expect(range.status).toBe(206);
      expect(Buffer.from(await range.arrayBuffer()).equals(body.subarray(100, 200))).toBe(true);
      const unnamed = await fetch(await store.grantDownload({ key, expiresSeconds }));
      expect(unnamed.headers.get("content-disposition")).toBe("attachment");
    });

    it("refuses a forged download, and one of another file", async () => {
      const [key, other] = [await uploaded(randomBytes(10)), await uploaded(randomBytes(10))];
      const url = await store.grantDownload({ key, expiresSeconds });
      expect((await fetch(url)).status).toBe(200);
      expect((await fetch(url.replace(/[0-9a-f]{64}/, forged))).status).toBe(403);
      expect((await fetch(url.replace(key, other))).status).toBe(403);
      expect((await fetch(url.replace(/response-content-disposition=attachment/, "$&x"))).status).toBe(403);
      expect((await fetch(url.replace("attachment", "inline"))).status).toBe(403);
    });

    it("joins parts, of which one was broken off and came again after the grant was renewed", async () => {
      const body = randomBytes(25 * MiB + 1);
      const grant = await grantParts({ bytes: body.length });
      expect(grant.parts.length).toBe(Math.ceil(body.length / grant.partBytes));
      const part = (n: number) => body.subarray((n - 1) * grant.partBytes, n * grant.partBytes);
      const etags = new Map([[1, await etagOf(putPart(grant, 1, part(1)))]]);
      await expect(putPart(grant, 2, part(2), AbortSignal.abort())).rejects.toThrow();
      expect((await putPart(grant, 2, part(2).subarray(0, MiB))).ok).toBe(true);
      const renewed = await grantParts({ key: grant.key, bytes: body.length, uploadId: grant.uploadId });
      expect(renewed.uploadId).toBe(grant.uploadId);
      for (let n = renewed.parts.length; n > 1; n--) etags.set(n, await etagOf(putPart(renewed, n, part(n))));
      const parts = [...etags].map(([partNumber, etag]) => ({ partNumber, etag }));
      const upload = { key: grant.key, bytes: body.length, multipart: { uploadId: grant.uploadId, parts } };
      await expect(store.stat(grant.key)).rejects.toMatchObject({ code: "NOT_FOUND" });
      const stat = await store.completeUpload(upload);
      expect(stat).toMatchObject({ bytes: body.length, contentType });
      expect(await store.completeUpload(upload)).toEqual(stat);
      const got = await fetch(await store.grantDownload({ key: grant.key, expiresSeconds }));
      expect(sha256(Buffer.from(await got.arrayBuffer()))).toBe(sha256(body));
      await store.remove([grant.key]);
    });

    it("removes what turns out larger than declared when its parts are joined", async () => {
      const grant = await grantParts();
      const etags = [await etagOf(putPart(grant, 1, randomBytes(26 * MiB)))];
      const parts = etags.map((etag, index) => ({ partNumber: index + 1, etag }));
      const upload = { key: grant.key, bytes: 25 * MiB + 1, multipart: { uploadId: grant.uploadId, parts } };
      await expect(store.completeUpload(upload)).rejects.toMatchObject({ code: "TOO_LARGE" });
      await expect(store.stat(grant.key)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(store.completeUpload(upload)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("does not join what was not uploaded", async () => {
      const grant = await grantParts();
      const complete = (parts: readonly { partNumber: number; etag: string }[]) =>
        store.completeUpload({
          key: grant.key,
          bytes: 25 * MiB + 1,
          multipart: { uploadId: grant.uploadId, parts },
        });
      await expect(complete([])).rejects.toMatchObject({ code: "NOT_FOUND" });
      const etag = await etagOf(putPart(grant, 1, randomBytes(10)));
      const other = createHash("md5").update("other").digest("hex");
      await expect(complete([{ partNumber: 1, etag: `"${other}"` }])).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(
        complete([
          { partNumber: 1, etag },
          { partNumber: 2, etag },
        ]),
      ).rejects.toMatchObject({ code: "NOT_FOUND" });
      await store.abortUpload(grant);
      await expect(complete([{ partNumber: 1, etag }])).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("forgets an upload that is given up, and giving it up again is no error", async () => {
      const grant = await grantParts();
      expect((await putPart(grant, 1, randomBytes(10))).ok).toBe(true);
      await store.abortUpload(grant);
      await store.abortUpload(grant);
      expect((await putPart(grant, 1, randomBytes(10))).status).toBe(404);
    });

    it("sweeps uploads that began before a time, and no others", async () => {
      const [one, two] = [await grantParts(), await grantParts()];
      await store.abortUploadsOf(Date.now() - 3_600_000);
      expect((await putPart(one, 1, randomBytes(10))).ok).toBe(true);
      expect(await store.abortUploadsOf(Date.now() + 60_000)).toBeGreaterThanOrEqual(2);
      for (const grant of [one, two]) expect((await putPart(grant, 1, randomBytes(10))).status).toBe(404);
      expect(await store.abortUploadsOf(Date.now() + 60_000)).toBe(0);
    });

    it("removes files, also ones that are gone or never were", async () => {
      const keys = [await uploaded(randomBytes(1)), await uploaded(randomBytes(1)), newKey()];
      await store.remove(keys);
      for (const key of keys) await expect(store.stat(key)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await store.remove(keys);
      await store.remove([]);
    });

    it.each([
      "",
      "/",
      "a/",
      "/a",
      "a//b",
      "..",
      "a/../b",
      "./a",
      ".hidden",
      "a\\b",
      "a b",
      "ä",
      "a\0b",
      "x".repeat(600),
    ])("does not take %j for a key", async (key) => {
      const refused = (asked: Promise<unknown>) => expect(asked).rejects.toBeInstanceOf(TypeError);
      await refused(store.grantUpload({ key, contentType, bytes: 1, expiresSeconds }));
      await refused(store.completeUpload({ key, bytes: 1 }));
      await refused(store.abortUpload({ key, uploadId: "x" }));
      await refused(store.stat(key));
      await refused(store.grantDownload({ key, expiresSeconds }));
      await refused(store.remove([key]));
    });

    it("does not grant sizes, times and types that are none", async () => {
      const refused = (changed: Partial<UploadRequest>) =>
        expect(store.grantUpload({ key: "k", contentType, bytes: 1, expiresSeconds, ...changed })).rejects.toThrow(
          TypeError,
        );
      for (const bytes of [0, -1, 1.5, NaN, Infinity]) await refused({ bytes });
      for (const seconds of [0, -1, 0.5, NaN, 7 * 24 * 3_600 + 1]) await refused({ expiresSeconds: seconds });
      for (const type of ["", "text", "text/html\r\nx: y", "a/b/c"]) await refused({ contentType: type });
      const huge = store.grantUpload({ key: "k", contentType, bytes: 2 ** 50, expiresSeconds });
      await expect(huge).rejects.toMatchObject({ code: "TOO_LARGE" });
    });

    it("never grants more than 1,000 parts", async () => {
      const grant = await grantParts({ bytes: 20_000 * MiB });
      expect(grant.parts.length).toBe(1_000);
      expect(grant.parts.length * grant.partBytes).toBeGreaterThanOrEqual(20_000 * MiB);
      await store.abortUpload(grant);
    });
  });
};

type Post = Extract<UploadGrant, { readonly kind: "post" }>;
type Parts = Extract<UploadGrant, { readonly kind: "multipart" }>;

const newKey = (): string => `u/202611/${randomBytes(12).toString("hex")}`;

const post = async (
  { url, fields }: Post,
  body: Buffer<ArrayBuffer>,
  changed: Readonly<Record<string, string>> = {},
): Promise<number> => {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...changed })) form.append(name, value);
  form.append("file", new Blob([body]));
  const answer = await fetch(url, { method: "POST", body: form });
  await answer.arrayBuffer();
  return answer.status;
};

const putPart = async (
  { parts }: Parts,
  partNumber: number,
  body: Buffer<ArrayBuffer>,
  signal?: AbortSignal,
): Promise<Response> => {
  const part = parts.find((candidate) => candidate.partNumber === partNumber);
  if (part === undefined) throw new Error(`part ${partNumber} was not granted`);
  return fetch(part.url, { method: "PUT", body, ...(signal === undefined ? {} : { signal }) });
};

const etagOf = async (answer: Promise<Response>): Promise<string> => {
  const { ok, status, headers } = await answer;
  const etag = headers.get("etag");
  if (!ok || etag === null) throw new Error(`the part was not taken: ${status}`);
  return etag;
};

const forged = (value: string): string => (value.startsWith("0") ? "1" : "0") + value.slice(1);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
