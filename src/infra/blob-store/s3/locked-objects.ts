import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Client } from "minio";
import { blobError, connectS3, s3CodeOf, type S3Options } from "./client.js";

/** `compliance`: nobody shortens it, the account's owner included. `governance`: whoever has a right of its own may. */
export type LockMode = "compliance" | "governance";
export type LockOptions = Omit<S3Options, "publicUrl"> & { readonly mode: LockMode; readonly days: number };

/** A bucket with object lock (S3's write once, read many), which somebody else has made and may own. */
export type LockedObjects = {
  /**
   * Writes an object that cannot be changed or removed for so many days; one that is there, the same and locked, is left.
   * Keys that may write and not look are enough; then what the server answers is believed.
   * @throws (rejects) BlobError; Error when the server does not lock it
   */
  readonly put: (key: string, body: string) => Promise<void>;
  /** What keeps objects from being locked here; undefined for nothing. @throws (rejects) the server's error */
  readonly problem: () => Promise<string | undefined>;
};

const dayMs = 86_400_000;
const makeIt = "make it with object lock (aws s3api create-bucket --object-lock-enabled-for-bucket)";

/** @throws TypeError when the URL is not http(s)://host[:port] */
export const openLockedObjects = (options: LockOptions): LockedObjects => {
  const { bucket, mode, days } = options;
  const client = connectS3(options.url, options);
  const headers = (body: string) => ({
    "content-type": "application/json",
    // S3 asks for it where something is locked.
    "content-md5": createHash("md5").update(body).digest("base64"),
    "x-amz-object-lock-mode": mode.toUpperCase(),
    "x-amz-object-lock-retain-until-date": new Date(Date.now() + days * dayMs).toISOString(),
  });
  /** Whether it is there and locked; undefined where these keys may not look. */
  const isLocked = async (objectName: string): Promise<boolean | undefined> => {
    const found = await lookAt(client, bucket, objectName);
    if (found === "not there") return false;
    if (found === "not allowed") return undefined;
    if (found["x-amz-object-lock-mode"] === undefined)
      throw new Error(
        `the server has taken ${objectName} and does not lock it: ${bucket} has no object lock; ${makeIt}`,
      );
    return true;
  };
  return {
    put: async (objectName, body) => {
      try {
        if ((await isLocked(objectName)) === true) return;
        // `putObject` takes these headers for metadata of the object's own.
        await client.makeRequestAsyncOmit(
          { method: "PUT", bucketName: bucket, objectName, headers: headers(body) },
          body,
        );
        if ((await isLocked(objectName)) === false) throw new Error(`${objectName} is not there after it was written`);
      } catch (error) {
        throw s3CodeOf(error) === undefined ? error : blobError(`writing ${objectName} into ${bucket}`, error);
      }
    },
    problem: async () => {
      if (!(await client.bucketExists(bucket))) return `the bucket ${bucket} is not there; ${makeIt}`;
      try {
        await client.makeRequestAsyncOmit({ method: "GET", bucketName: bucket, query: "object-lock" });
        return undefined;
      } catch (error) {
        if (s3CodeOf(error) === "ObjectLockConfigurationNotFoundError")
          return `${bucket} has no object lock; ${makeIt}`;
        throw error;
      }
    },
  };
};

const lookAt = async (
  client: Client,
  bucketName: string,
  objectName: string,
): Promise<IncomingHttpHeaders | "not there" | "not allowed"> => {
  try {
    return (await client.makeRequestAsyncOmit({ method: "HEAD", bucketName, objectName })).headers;
  } catch (error) {
    // An answer without a body: the client gives such codes by the status alone.
    const code = s3CodeOf(error);
    if (code === "NotFound" || code === "NoSuchKey") return "not there";
    if (code === "AccessDenied" || code === "Forbidden") return "not allowed";
    throw error;
  }
};
