import type { Client } from "minio";
import { BlobError, type BlobStat, type BlobStore, type FinishedUpload } from "../../../commands/blob-store.js";
import { blobError, connectS3, s3CodeOf, type S3Options } from "./client.js";
import { checkConformance, type Conformance } from "./conformance.js";
import { checkDownload, checkKey, checkUpload, createGrants } from "./grants.js";

export type S3BlobStore = BlobStore & {
  /** Tries on a random prefix what Parley needs of the server, and makes the bucket if it may. Never rejects. */
  readonly conformance: () => Promise<Conformance>;
};

/**
 * Any S3 server. Connects when it is asked; nothing is asked of it here.
 * @throws TypeError when a URL is not http(s)://host[:port]
 */
export const openS3 = (options: S3Options): S3BlobStore => {
  const { bucket } = options;
  const client = connectS3(options.url, options);
  const signer = options.publicUrl === undefined ? client : connectS3(options.publicUrl, options);
  const grants = createGrants(client, signer, bucket);
  return {
    grantUpload: async (request) => {
      checkUpload(request);
      return saying(`granting ${request.key}`, () => grants.upload(request));
    },
    completeUpload: async (upload) => {
      checkKey(upload.key);
      return saying(`completing ${upload.key}`, () => complete(client, bucket, upload));
    },
    abortUpload: async ({ key, uploadId }) => {
      checkKey(key);
      await saying(`aborting ${key}`, () => abort(client, bucket, key, uploadId));
    },
    abortUploadsOf: (startedBefore) => saying("aborting uploads", () => abortOld(client, bucket, startedBefore)),
    stat: async (key) => {
      checkKey(key);
      return saying(`looking at ${key}`, () => statOf(client, bucket, key));
    },
    grantDownload: async (request) => {
      checkDownload(request);
      return saying(`granting ${request.key}`, () => grants.download(request));
    },
    remove: async (keys) => {
      keys.forEach(checkKey);
      await saying(`removing ${keys.length} files`, () => remove(client, bucket, keys));
    },
    // Probed where this process reaches the server: the public address may not be reachable from here.
    conformance: () => checkConformance(client, createGrants(client, client, bucket), options),
  };
};

const complete = async (client: Client, bucket: string, upload: FinishedUpload): Promise<BlobStat> => {
  const { key, bytes, multipart } = upload;
  if (multipart !== undefined) await join(client, bucket, key, multipart);
  const stat = await statOf(client, bucket, key);
  if (stat.bytes <= bytes) return stat;
  await remove(client, bucket, [key]);
  throw new BlobError("TOO_LARGE", `${key} has ${stat.bytes} bytes, declared were ${bytes}; it was removed`);
};

/** An upload that is not there any more may be complete: whether it is says the look at the file. */
const join = async (
  client: Client,
  bucket: string,
  key: string,
  { uploadId, parts }: NonNullable<FinishedUpload["multipart"]>,
): Promise<void> => {
  if (parts.length === 0) throw new BlobError("NOT_FOUND", `no part of ${key} was uploaded`);
  const inOrder = parts.toSorted((a, b) => a.partNumber - b.partNumber);
  const etags = inOrder.map(({ partNumber, etag }) => ({ part: partNumber, etag }));
  try {
    await client.completeMultipartUpload(bucket, key, uploadId, etags);
  } catch (error) {
    if (s3CodeOf(error) !== "NoSuchUpload") throw error;
  }
};

const statOf = async (client: Client, bucket: string, key: string): Promise<BlobStat> => {
  const { size, etag, metaData } = await client.statObject(bucket, key);
  const contentType: unknown = metaData["content-type"];
  return { bytes: size, etag, contentType: typeof contentType === "string" ? contentType : "application/octet-stream" };
};

const abort = async (client: Client, bucket: string, key: string, uploadId: string): Promise<void> => {
  try {
    // The client puts it into the query as it is.
    await client.abortMultipartUpload(bucket, key, encodeURIComponent(uploadId));
  } catch (error) {
    if (s3CodeOf(error) !== "NoSuchUpload") throw error;
  }
};

/**
 * Page by page, one upload after another: this is a sweep, and no client waits for it. The client loses the marker
 * within one key, so that of a key with uploads on two pages some are left for the next sweep.
 */
const abortOld = async (client: Client, bucket: string, startedBefore: number): Promise<number> => {
  let aborted = 0;
  let keyMarker = "";
  for (;;) {
    const page = await client.listIncompleteUploadsQuery(bucket, "", keyMarker, "", "");
    for (const { key, uploadId, initiated } of page.uploads) {
      if (initiated.getTime() >= startedBefore) continue;
      await client.abortMultipartUpload(bucket, key, encodeURIComponent(uploadId));
      aborted += 1;
    }
    if (!page.isTruncated || page.nextKeyMarker === "" || page.nextKeyMarker === keyMarker) return aborted;
    keyMarker = page.nextKeyMarker;
  }
};

const keysAtOnce = 1_000;

const remove = async (client: Client, bucket: string, keys: readonly string[]): Promise<void> => {
  for (let from = 0; from < keys.length; from += keysAtOnce) {
    // S3 answers 200 and names the keys that it could not remove; the client's types put a level too much around them.
    const failed = (await client.removeObjects(bucket, keys.slice(from, from + keysAtOnce))) as readonly NotRemoved[];
    const first = failed.find(({ Code }) => Code !== "NoSuchKey");
    if (first !== undefined)
      throw new BlobError("UNAVAILABLE", `${first.Key ?? "a key"}: ${first.Message ?? first.Code ?? "not removed"}`);
  }
};

type NotRemoved = { readonly Key?: string; readonly Code?: string; readonly Message?: string };

/** Names what failed, as our error. */
const saying = async <A>(what: string, work: () => Promise<A>): Promise<A> => {
  try {
    return await work();
  } catch (error) {
    throw blobError(what, error);
  }
};
