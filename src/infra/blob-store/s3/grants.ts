import type { Client } from "minio";
import { BlobError, type DownloadRequest, type UploadGrant, type UploadRequest } from "../../../commands/blob-store.js";

const MiB = 1024 * 1024;
/** Up to here one POST, whose size the server limits by itself; above, an upload can be resumed part by part. */
export const postBytesMax = 25 * MiB;
/** S3 wants 5 MiB at least of every part but the last. */
const partBytesMin = 8 * MiB;
/** S3 allows 10,000; a grant with so many URLs would be megabytes long. */
const partsMax = 1_000;
/** S3's own bound of a part. */
const partBytesMax = 5 * 1024 * MiB;
/** S3's own bound of a signature. */
const expirySecondsMax = 7 * 24 * 3_600;

/** What clients may do without our keys: signatures, made without asking the server (but for the id of a new upload). */
export type Grants = {
  readonly upload: (request: UploadRequest) => Promise<UploadGrant>;
  readonly download: (request: DownloadRequest) => Promise<string>;
};

/** `client` makes uploads; `signer` signs for the address at which the grant is used. */
export const createGrants = (client: Client, signer: Client, bucket: string): Grants => ({
  upload: (request) =>
    request.bytes <= postBytesMax ? grantPost(signer, bucket, request) : grantParts(client, signer, bucket, request),
  download: ({ key, filename, expiresSeconds }) =>
    signer.presignedGetObject(bucket, key, expiresSeconds, {
      "response-content-disposition": attachment(filename),
    }),
});

const grantPost = async (signer: Client, bucket: string, request: UploadRequest): Promise<UploadGrant> => {
  const policy = signer.newPostPolicy();
  policy.setBucket(bucket);
  policy.setKey(request.key);
  policy.setContentType(request.contentType);
  policy.setContentLengthRange(1, request.bytes);
  policy.setExpires(new Date(Date.now() + request.expiresSeconds * 1_000));
  const { postURL, formData } = await signer.presignedPostPolicy(policy);
  return { kind: "post", url: postURL, fields: formData };
};

const grantParts = async (
  client: Client,
  signer: Client,
  bucket: string,
  { key, contentType, bytes, expiresSeconds, uploadId: resumed }: UploadRequest,
): Promise<UploadGrant> => {
  const partBytes = partBytesFor(bytes);
  const uploadId = resumed ?? (await client.initiateNewMultipartUpload(bucket, key, { "Content-Type": contentType }));
  const numbers = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, index) => index + 1);
  const sign = async (partNumber: number): Promise<{ partNumber: number; url: string }> => {
    const query = { uploadId, partNumber: String(partNumber) };
    return { partNumber, url: await signer.presignedUrl("PUT", bucket, key, expiresSeconds, query) };
  };
  return { kind: "multipart", uploadId, partBytes, parts: await Promise.all(numbers.map(sign)) };
};

/** Whole MiB, as few parts as `partsMax` demands. */
const partBytesFor = (bytes: number): number => {
  const partBytes = Math.max(partBytesMin, Math.ceil(bytes / partsMax / MiB) * MiB);
  if (partBytes > partBytesMax) throw new BlobError("TOO_LARGE", `${bytes} bytes are more than the store takes`);
  return partBytes;
};

/**
 * Never shown in place: a file is a stranger's, and the store's origin may be shared. The plain name is for old
 * clients; the second carries any text.
 */
const attachment = (filename: string | undefined): string => {
  const name = Array.from((filename ?? "").replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ""))
    .slice(0, 150)
    .join("");
  if (name === "") return "attachment";
  const plain = name.replace(/[^A-Za-z0-9 ._()-]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
};

const segment = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}";
const keyPattern = new RegExp(`^${segment}(?:/${segment})*$`);
const keyCharactersMax = 512;

/** Servers that keep files in directories must not be led out of them. @throws TypeError */
export const checkKey = (key: string): void => {
  if (key.length > keyCharactersMax || !keyPattern.test(key))
    throw new TypeError(`${JSON.stringify(key.slice(0, 100))} is no key of a file`);
};

const checkExpiry = (seconds: number): void => {
  // Zero would mean the client's default, which is the longest.
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > expirySecondsMax)
    throw new TypeError(`a grant lasts 1 … ${expirySecondsMax} whole seconds, not ${seconds}`);
};

/** @throws TypeError */
export const checkDownload = ({ key, expiresSeconds }: DownloadRequest): void => {
  checkKey(key);
  checkExpiry(expiresSeconds);
};

/** @throws TypeError */
export const checkUpload = ({ key, contentType, bytes, expiresSeconds }: UploadRequest): void => {
  checkKey(key);
  checkExpiry(expiresSeconds);
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new TypeError(`a file has at least one byte, not ${bytes}`);
  if (!/^[\w.+-]{1,100}\/[\w.+-]{1,100}(?:; ?[\w-]+=[\w."-]+)*$/.test(contentType))
    throw new TypeError(`${JSON.stringify(contentType.slice(0, 100))} is no media type`);
};
