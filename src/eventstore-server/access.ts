/** Which clients may call: all that reach the port, or only those that have the token. */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { status, type Metadata } from "@grpc/grpc-js";
import { exposuresOf, type Exposure } from "../infra/loopback.js";
import { accessDenied } from "./errors.js";

/** @throws CallError UNAUTHENTICATED */
export type Check = (metadata: Metadata) => void;

/**
 * Clients of EventStoreDB send Basic credentials: the password is the token, with any user name. Other clients may send
 * it as a Bearer token.
 */
export const createCheck = (token: string | undefined): Check => {
  if (token === undefined) return () => undefined;
  const expected = digest(token);
  return (metadata) => {
    const given = presented(metadata.get("authorization")[0]);
    // Digests have one length, so comparing takes the same time whatever was given.
    if (given === undefined || !timingSafeEqual(digest(given), expected))
      throw accessDenied(
        status.UNAUTHENTICATED,
        "Clients of this log send its token, as the password of any user or as Bearer token.",
      );
  };
};

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const presented = (header: string | Buffer | undefined): string | undefined => {
  const [, scheme, value] = /^(basic|bearer) +(.+)$/i.exec(String(header ?? "")) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return value.trim();
  const credentials = Buffer.from(value, "base64").toString("utf8");
  const colon = credentials.indexOf(":");
  return colon === -1 ? undefined : credentials.slice(colon + 1);
};

/** @throws Error for a log that strangers could read, or that they could write to with a token heard in plain text */
export const checkExposure = (exposure: Exposure): void => {
  const [found] = exposuresOf(exposure);
  const { host } = exposure;
  switch (found) {
    case undefined:
      return;
    case "noToken":
      throw new Error(
        `The log would be open to everybody who reaches ${host}. Set PARLEY_EVENTSTORE_TOKEN, or listen on 127.0.0.1.`,
      );
    case "tokenInPlainText":
      throw new Error(
        `Anybody who hears the token on its way to ${host} could write to the log. ` +
          "Set PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT, listen on 127.0.0.1, or serve it for reading alone.",
      );
  }
};
