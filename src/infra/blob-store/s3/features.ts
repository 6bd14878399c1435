import type { Client } from "minio";
import type { UploadGrant } from "../../../commands/blob-store.js";
import { s3CodeOf } from "./client.js";
import { postBytesMax, type Grants } from "./grants.js";

/** Where and with what to try a feature. */
export type Probe = {
  readonly client: Client;
  readonly grants: Grants;
  readonly bucket: string;
  readonly region: string;
  readonly prefix: string;
  readonly msMax: number;
};

export type Feature = {
  readonly feature: string;
  readonly needed: boolean;
  readonly fix: string;
  /** Throws an Error that says what the server did otherwise. */
  readonly attempt: (probe: Probe) => Promise<void>;
};

export const bucketThere: Feature = {
  feature: "bucket",
  needed: true,
  fix: "Check PARLEY_S3_URL, PARLEY_S3_REGION and the keys; make the bucket PARLEY_S3_BUCKET or allow these keys to.",
  attempt: async ({ client, bucket, region }) => {
    if (await client.bucketExists(bucket)) return;
    try {
      await client.makeBucket(bucket, region);
    } catch (error) {
      // Another process has made it meanwhile.
      if (s3CodeOf(error) !== "BucketAlreadyOwnedByYou") throw error;
    }
  },
};

const change = "Take another S3 server: Parley's limits on uploads rest on this.";

/** In the order to try them in: some read what the first has put. */
export const features: readonly Feature[] = [
  {
    feature: "put, stat and get",
    needed: true,
    fix: "Allow these keys s3:PutObject, s3:GetObject and s3:DeleteObject in the bucket.",
    attempt: async ({ client, bucket, prefix }) => {
      await client.putObject(bucket, `${prefix}/object`, "0123456789", 10, { "Content-Type": "text/x-parley" });
      const { size, metaData } = await client.statObject(bucket, `${prefix}/object`);
      expect(size === 10, `stat says ${size} bytes of 10`);
      expect(metaData["content-type"] === "text/x-parley", "stat does not say the content type");
      const body = await client.getObject(bucket, `${prefix}/object`);
      const text = Buffer.concat((await body.toArray()) as Buffer[]).toString();
      expect(text === "0123456789", "get answers other bytes than were put");
    },
  },
  {
    feature: "POST policy",
    needed: true,
    fix: change,
    attempt: async (probe) => {
      const grant = await grantPost(probe, "posted");
      const over = await post(probe, grant, Buffer.alloc(11));
      expect(over >= 400, `the server took 11 bytes (${over}) where the policy allows 10`);
      const type = await post(probe, grant, Buffer.alloc(10), { "Content-Type": "text/html" });
      expect(type >= 400, `the server took another content type (${type})`);
      const key = await post(probe, grant, Buffer.alloc(10), { key: `${probe.prefix}/other` });
      expect(key >= 400, `the server took another key (${key})`);
      const exact = await post(probe, grant, Buffer.alloc(10));
      expect(exact < 300, `the server refused what the policy allows (${exact})`);
    },
  },
  {
    feature: "signatures",
    needed: true,
    fix: "Take another S3 server: this one lets in clients that make a signature up.",
    attempt: async (probe) => {
      const grant = await grantPost(probe, "forged");
      const signature = grant.fields["x-amz-signature"] ?? "";
      const posted = await post(probe, grant, Buffer.alloc(10), { "x-amz-signature": tampered(signature) });
      expect(posted >= 400, `the server took a POST with a forged signature (${posted})`);
      const url = await probe.grants.download({ key: `${probe.prefix}/object`, expiresSeconds: 60 });
      const got = await ask(probe, url.replace(/(?<=X-Amz-Signature=)[0-9a-f]+/, tampered));
      expect(got.status === 403, `the server answers a download with a forged signature by ${got.status}, not 403`);
    },
  },
  {
    feature: "multipart by presigned parts",
    needed: true,
    fix: "Clients cannot upload files above 25 MiB: take another S3 server or allow these keys multipart uploads.",
    attempt: async (probe) => {
      const { client, bucket, prefix } = probe;
      const grant = await grantParts(probe, "joined");
      const [part] = grant.parts;
      expect(part !== undefined, "the grant has no part");
      const answer = await ask(probe, part.url, { method: "PUT", body: Buffer.from("part") });
      const etag = answer.headers.get("etag");
      expect(
        answer.ok && etag !== null,
        `the server did not take a part (${answer.status}, ETag ${etag ?? "missing"})`,
      );
      await client.completeMultipartUpload(bucket, `${prefix}/joined`, grant.uploadId, [{ part: 1, etag }]);
      const { size } = await client.statObject(bucket, `${prefix}/joined`);
      expect(size === 4, `the joined object has ${size} bytes of 4`);
    },
  },
  {
    feature: "listing and aborting multipart uploads",
    needed: true,
    fix: "Abandoned uploads would fill the disk: take another S3 server or allow these keys to list and abort them.",
    attempt: async (probe) => {
      const grant = await grantParts(probe, "abandoned");
      expect(await isListed(probe, grant.uploadId), "the server does not list an upload that was begun");
      await probe.client.abortMultipartUpload(probe.bucket, `${probe.prefix}/abandoned`, grant.uploadId);
      expect(!(await isListed(probe, grant.uploadId)), "the server still lists an upload that was aborted");
    },
  },
  {
    feature: "signed downloads as attachments",
    needed: true,
    fix: "Take another S3 server: browsers would show files of strangers in place.",
    attempt: async (probe) => {
      const key = `${probe.prefix}/object`;
      const answer = await ask(probe, await probe.grants.download({ key, filename: "a b.txt", expiresSeconds: 60 }));
      const disposition = answer.headers.get("content-disposition") ?? "no content-disposition";
      expect(answer.status === 200, `a signed download answers ${answer.status}`);
      expect(/^attachment; filename="a b.txt"/.test(disposition), `it answers ${disposition}`);
    },
  },
  {
    feature: "ranges",
    needed: true,
    fix: "Take another S3 server: players and resumed downloads ask for ranges.",
    attempt: async (probe) => {
      const url = await probe.grants.download({ key: `${probe.prefix}/object`, expiresSeconds: 60 });
      const answer = await ask(probe, url, { headers: { range: "bytes=2-4" } });
      const text = await answer.text();
      expect(answer.status === 206 && text === "234", `bytes 2-4 answer ${answer.status}`);
    },
  },
  {
    feature: "CORS with ETag",
    needed: false,
    fix: "Browsers cannot upload: allow your origin POST, PUT and GET on the bucket and expose ETag (aws s3api put-bucket-cors, or versitygw's VGW_CORS_ALLOW_ORIGIN).",
    attempt: async (probe) => {
      const origin = "https://parley.example";
      const url = await probe.grants.download({ key: `${probe.prefix}/object`, expiresSeconds: 60 });
      const headers = { origin, "access-control-request-method": "PUT" };
      const preflight = await ask(probe, url, { method: "OPTIONS", headers });
      const allowed = preflight.headers.get("access-control-allow-origin");
      expect(preflight.ok && allowed !== null, `the server refuses a preflight of any origin (${preflight.status})`);
      const exposed = (await ask(probe, url, { headers: { origin } })).headers.get("access-control-expose-headers");
      expect(/\betag\b|\*/i.test(exposed ?? ""), `the server exposes ${exposed ?? "no header"}, and not ETag`);
    },
  },
  {
    feature: "lifecycle rules",
    needed: false,
    fix: "Nothing to do: Parley aborts abandoned uploads by itself.",
    attempt: async ({ client, bucket }) => {
      try {
        await client.getBucketLifecycle(bucket);
      } catch (error) {
        if (s3CodeOf(error) !== "NoSuchLifecycleConfiguration") throw error;
      }
    },
  },
];

/** Removes objects by the names that may be there, not by a listing: operators need not allow these keys to list objects. */
export const cleanUp: Feature = {
  feature: "removing",
  needed: true,
  fix: "Allow these keys s3:DeleteObject in the bucket and remove what is under parley-conformance/.",
  attempt: async (probe) => {
    const { client, bucket, prefix } = probe;
    for (const { key, uploadId } of await uploadsUnder(probe)) await client.abortMultipartUpload(bucket, key, uploadId);
    const names = ["object", "posted", "other", "forged", "joined"];
    const failed = await client.removeObjects(
      bucket,
      names.map((name) => `${prefix}/${name}`),
    );
    expect(failed.length === 0, `removing answers ${JSON.stringify(failed[0])}`);
  },
};

function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

type Post = Extract<UploadGrant, { readonly kind: "post" }>;
type Multipart = Extract<UploadGrant, { readonly kind: "multipart" }>;

const request = { contentType: "application/x-parley", expiresSeconds: 60 };

const grantPost = async ({ grants, prefix }: Probe, name: string): Promise<Post> => {
  const grant = await grants.upload({ ...request, key: `${prefix}/${name}`, bytes: 10 });
  expect(grant.kind === "post", "the grant of a small upload is no POST");
  return grant;
};

const grantParts = async ({ grants, prefix }: Probe, name: string): Promise<Multipart> => {
  const grant = await grants.upload({ ...request, key: `${prefix}/${name}`, bytes: postBytesMax + 1 });
  expect(grant.kind === "multipart", "the grant of a large upload is not in parts");
  return grant;
};

const uploadsUnder = async ({
  client,
  bucket,
  prefix,
}: Probe): Promise<readonly { readonly key: string; readonly uploadId: string }[]> =>
  (await client.listIncompleteUploadsQuery(bucket, prefix, "", "", "")).uploads;

const isListed = async (probe: Probe, uploadId: string): Promise<boolean> =>
  (await uploadsUnder(probe)).some((upload) => upload.uploadId === uploadId);

const post = async (
  probe: Probe,
  { url, fields }: Post,
  file: Buffer<ArrayBuffer>,
  changed: Readonly<Record<string, string>> = {},
): Promise<number> => {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...changed })) form.append(name, value);
  form.append("file", new Blob([file]));
  return (await ask(probe, url, { method: "POST", body: form })).status;
};

const ask = async ({ msMax }: Probe, url: string, init: RequestInit = {}): Promise<Response> => {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(msMax) });
  // The body is read whole, so that the connection is free again.
  return new Response([204, 304].includes(answer.status) ? null : await answer.arrayBuffer(), answer);
};

const tampered = (signature: string): string => signature.slice(0, -1) + (signature.endsWith("0") ? "1" : "0");
