import http from "node:http";
import https from "node:https";
import { Client } from "minio";
import { BlobError, type BlobErrorCode } from "../../../commands/blob-store.js";

export type S3Options = {
  /** Where this process reaches the server; http or https, without a path. */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly bucket: string;
  /** Where clients reach it, when that is another address: what is granted is signed for it. */
  readonly publicUrl?: string;
  /** How long one request may take, its answer's body included. */
  readonly requestMsMax?: number;
};

const requestMsMax = 10_000;
/** Requests beyond wait for a connection, within their own time. */
const connectionsMax = 32;

/** @throws TypeError when the URL is not one of a whole host */
export const connectS3 = (url: string, options: S3Options): Client => {
  const { protocol, hostname, port } = hostOf(url);
  const useSSL = protocol === "https:";
  return new Client({
    endPoint: hostname,
    ...(port === "" ? {} : { port: Number(port) }),
    useSSL,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    // With a region the client never asks the server for one, so that signing is pure computing.
    region: options.region,
    pathStyle: true,
    // The caller decides whether to repeat; the client's own retries also print to the console.
    retryOptions: { disableRetry: true },
    transport: boundedTransport(useSSL ? https : http, options.requestMsMax ?? requestMsMax),
    transportAgent: new (useSSL ? https : http).Agent({ keepAlive: true, maxSockets: connectionsMax }),
  });
};

const hostOf = (url: string): URL => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.pathname !== "/" || parsed.search !== "")
    throw new TypeError(`the S3 server's URL must be http(s)://host[:port] without a path, not ${JSON.stringify(url)}`);
  return parsed;
};

type Transport = Pick<typeof http, "request">;

/** The client has no time-outs of its own: a server that accepts and stays silent would hold a call for ever. */
const boundedTransport = (transport: Transport, msMax: number): Transport => ({
  request: ((options: http.RequestOptions, onResponse?: (response: http.IncomingMessage) => void) =>
    transport.request({ ...options, signal: AbortSignal.timeout(msMax) }, onResponse)) as Transport["request"],
});

/** S3's codes, as far as they say something to a caller; whatever else is wrong, the store cannot serve. */
const codes: Readonly<Record<string, BlobErrorCode>> = {
  NoSuchKey: "NOT_FOUND",
  NotFound: "NOT_FOUND",
  NoSuchUpload: "NOT_FOUND",
  InvalidPart: "NOT_FOUND",
  InvalidPartOrder: "NOT_FOUND",
  EntityTooSmall: "NOT_FOUND",
  EntityTooLarge: "TOO_LARGE",
};

/** The client's error as ours, with the client's as its cause. */
export const blobError = (what: string, error: unknown): BlobError => {
  if (error instanceof BlobError) return error;
  const code = s3CodeOf(error);
  const reason = error instanceof Error && error.message !== "" ? error.message : (code ?? String(error));
  return new BlobError(codes[code ?? ""] ?? "UNAVAILABLE", `${what}: ${reason}`, { cause: error });
};

/** What S3 calls the error, e.g. `NoSuchKey`; undefined for what is none of S3's. */
export const s3CodeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
