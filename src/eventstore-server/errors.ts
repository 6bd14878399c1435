/** What the server refuses, in the words of EventStoreDB: its clients read the `exception` of the trailing metadata. */
import { Metadata, status, type StatusObject } from "@grpc/grpc-js";
import { LogError } from "../commands/ports.js";
import { limits } from "../domain/kernel/limits.js";

/** An error of a call: gRPC status, text and trailing metadata. */
export class CallError extends Error {
  readonly metadata: Metadata;
  constructor(
    readonly code: StatusObject["code"],
    readonly details: string,
    readonly exception?: string,
    more: Readonly<Record<string, string>> = {},
  ) {
    super(details);
    this.name = "CallError";
    this.metadata = new Metadata();
    if (exception !== undefined) this.metadata.set("exception", exception);
    for (const [name, value] of Object.entries(more)) this.metadata.set(name, value);
  }
}

export const accessDenied = (code: StatusObject["code"], details: string): CallError =>
  new CallError(code, details, "access-denied");

export const unsupported = (what: string): CallError =>
  new CallError(status.UNIMPLEMENTED, `Parley's embedded log has no ${what}; it serves Read, Append and BatchAppend.`);

export const invalid = (details: string): CallError => new CallError(status.INVALID_ARGUMENT, details);

export const stopping = (): CallError => new CallError(status.UNAVAILABLE, "The server is stopping; connect again.");

/** Its name among the exceptions. */
export const sizeExceeded = "maximum-append-size-exceeded";

export const tooLarge = (details: string): CallError =>
  new CallError(status.INVALID_ARGUMENT, details, sizeExceeded, {
    "maximum-append-size": String(limits.appendBytesMax),
  });

/** The status for whatever went wrong with the log. An unknown outcome is a time-out: clients repeat the identical append. */
export const callErrorOf = (error: unknown): CallError => {
  if (error instanceof CallError) return error;
  if (error instanceof RangeError) return invalid(error.message);
  if (!(error instanceof LogError))
    return new CallError(status.INTERNAL, error instanceof Error ? error.message : String(error));
  switch (error.code) {
    case "TOO_LARGE":
      return tooLarge(error.message);
    case "UNAVAILABLE":
      return new CallError(status.UNAVAILABLE, error.message);
    case "OUTCOME_UNKNOWN":
      return new CallError(status.DEADLINE_EXCEEDED, error.message);
  }
};
