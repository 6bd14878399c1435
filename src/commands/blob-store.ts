/**
 * Files that messages refer to, outside the log. Clients upload and download by plain HTTP with what is granted here;
 * the bytes never pass through a command.
 *
 * - A key is granted for one upload and never again: what is under it does not change. It is made of segments of
 *   `[A-Za-z0-9._-]`, parted by `/`, none of which begins with a dot. Another key, a size below one byte or an expiry
 *   outside of 1 s … 7 days is the caller's bug: a `TypeError`.
 * - Everything else rejects with `BlobError`. `UNAVAILABLE`: nothing is known of what was asked; ask again. `NOT_FOUND`:
 *   there is no such file, or it was not uploaded whole. `TOO_LARGE`: it was larger than declared, and is gone.
 * - Every call ends within a bounded time.
 */
export type BlobStore = {
  /** Up to 25 MiB one POST, which the store itself limits to the key, type and size; above, parts that are limited when they are completed. */
  readonly grantUpload: (upload: UploadRequest) => Promise<UploadGrant>;
  /** Looks at what was uploaded. Repeating it answers the same. What is larger than declared is removed: `TOO_LARGE`. */
  readonly completeUpload: (upload: FinishedUpload) => Promise<BlobStat>;
  /** Gives up an upload in parts and frees what was uploaded of it; one that is not there is given up already. */
  readonly abortUpload: (upload: { readonly key: string; readonly uploadId: string }) => Promise<void>;
  /** Gives up the uploads in parts that began before `startedBefore` (ms since 1970); answers how many. */
  readonly abortUploadsOf: (startedBefore: number) => Promise<number>;
  readonly stat: (key: string) => Promise<BlobStat>;
  /** A URL that downloads the file as an attachment, never shown in place. It does not ask whether the file is there. */
  readonly grantDownload: (download: DownloadRequest) => Promise<string>;
  /** Keys without a file are no error. Not atomic: after a rejection some may be gone, and it can be repeated. */
  readonly remove: (keys: readonly string[]) => Promise<void>;
};

export type UploadRequest = {
  readonly key: string;
  /** A media type, as the file is served with later. */
  readonly contentType: string;
  /** At most so many; more are refused. */
  readonly bytes: number;
  readonly expiresSeconds: number;
  /** An upload in parts that was granted before: its URLs are signed afresh. */
  readonly uploadId?: string;
};

/**
 * `post`: a multipart/form-data POST of `fields`, then of the field `file`. `multipart`: a PUT of each part, all but the
 * last of `partBytes`; the `ETag` of each answer is needed to complete the upload.
 */
export type UploadGrant =
  | { readonly kind: "post"; readonly url: string; readonly fields: Readonly<Record<string, string>> }
  | {
      readonly kind: "multipart";
      readonly uploadId: string;
      readonly partBytes: number;
      readonly parts: readonly { readonly partNumber: number; readonly url: string }[];
    };

export type UploadedPart = { readonly partNumber: number; readonly etag: string };

export type FinishedUpload = {
  readonly key: string;
  /** As declared when it was granted. */
  readonly bytes: number;
  /** Of an upload in parts, with all of them in any order. */
  readonly multipart?: { readonly uploadId: string; readonly parts: readonly UploadedPart[] };
};

export type DownloadRequest = {
  readonly key: string;
  /** What the browser offers as its name; any text. */
  readonly filename?: string;
  readonly expiresSeconds: number;
};

export type BlobStat = { readonly bytes: number; readonly contentType: string; readonly etag: string };

export type BlobErrorCode = "NOT_FOUND" | "TOO_LARGE" | "UNAVAILABLE";

export class BlobError extends Error {
  constructor(
    readonly code: BlobErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "BlobError";
  }
}
