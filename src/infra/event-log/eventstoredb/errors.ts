/** What errors mean to us: gRPC's, with the store's own word in their metadata where it has one (`exception`), or a status. */
import { Metadata } from "@grpc/grpc-js";
import { LogError } from "../../../commands/ports.js";
import { tlsProblem } from "../../engines/tls-problem.js";

export type FailureKind = "stream_deleted" | "access_denied" | "invalid_position" | "unreachable" | "other";

/** The store's own words, in the metadata of gRPC's error; the client's errors bear some of them as their `type`. */
const kindOfWord: Readonly<Record<string, FailureKind>> = {
  "stream-deleted": "stream_deleted",
  "access-denied": "access_denied",
  unavailable: "unreachable",
  cancelled: "unreachable",
  timeout: "unreachable",
  "deadline-exceeded": "unreachable",
  "not-leader": "unreachable",
};
/** gRPC status codes: CANCELLED, DEADLINE_EXCEEDED, PERMISSION_DENIED, ABORTED, UNAVAILABLE, UNAUTHENTICATED. */
const kindOfCode: Readonly<Record<number, FailureKind>> = {
  1: "unreachable",
  4: "unreachable",
  7: "access_denied",
  10: "unreachable",
  14: "unreachable",
  16: "access_denied",
};

/** The server's words for "not now": they come without a code of their own. Such a request was not begun. */
const isNotNow = (text: string): boolean => /not ready|too busy|is busy|leader/i.test(text);

export const failureKind = (error: unknown): FailureKind => {
  const { type, code, metadata } = fieldsOf(error);
  const text = messageOf(error);
  if (/invalid\s?position/i.test(text)) return "invalid_position";
  // A race of Node's HTTP/2: the connection ended while the request was being written.
  if (/write after end/i.test(text)) return "unreachable";
  const word = metadata?.get("exception")[0]?.toString() ?? type;
  const known = typeof word === "string" ? kindOfWord[word] : undefined;
  if (known !== undefined) return known;
  const byCode = typeof code === "number" ? kindOfCode[code] : undefined;
  return byCode ?? (isNotNow(text) ? "unreachable" : "other");
};

/** Why a request that changes nothing, or was never sent, failed: always `UNAVAILABLE`, with what to do about it. */
export const unavailable = (error: unknown, target: string, what: string): LogError => {
  if (error instanceof LogError) return error;
  const tls = tlsProblem(error);
  const advice = tls === undefined ? adviceOf(failureKind(error), target) : tlsAdvice(tls, target);
  return new LogError("UNAVAILABLE", `${what}: ${advice} (${messageOf(error)})`, { cause: error });
};

const tlsAdvice = (problem: string, target: string): string =>
  `the event store at ${target} is there, but ${problem}; tlsCAFile=… in its address names the authority, tls=false speaks without TLS`;

const adviceOf = (kind: FailureKind, target: string): string => {
  switch (kind) {
    case "unreachable":
      return `the event store at ${target} cannot be reached; is it running, and does tls=true|false in its address fit?`;
    case "access_denied":
      return `the event store at ${target} refuses the user in its address (user:password@; they are not sent with tls=false)`;
    case "stream_deleted":
      return `the stream was deleted in the event store at ${target}; Parley never deletes one`;
    case "invalid_position":
      return `the event store at ${target} has no such position; is it the log that the position came from?`;
    case "other":
      return `the event store at ${target} refuses`;
  }
};

/** A batch's `google.rpc.Status`: `detail` is the protobuf type of its details, without the package. */
export type AppendStatus = { readonly detail: string; readonly message: string };

/** What an append's refusal is, wrong expected revision apart. Unless the server is known to have begun nothing, the outcome is open. */
export const appendFailure = ({ detail, message }: AppendStatus, target: string): LogError => {
  const said = `the event store at ${target} answered ${detail}: ${message}`;
  if (/Maximum\w*Append\w*SizeExceeded/i.test(`${detail} ${message}`)) return new LogError("TOO_LARGE", said);
  switch (detail) {
    case "StreamDeleted":
      return new LogError("UNAVAILABLE", `the append: ${adviceOf("stream_deleted", target)}`);
    case "AccessDenied":
      return new LogError("UNAVAILABLE", `the append: ${adviceOf("access_denied", target)}`);
    default:
      return new LogError(isNotNow(message) ? "UNAVAILABLE" : "OUTCOME_UNKNOWN", said);
  }
};

/** Whether a call that ended this way was refused as a whole: UNIMPLEMENTED, PERMISSION_DENIED, UNAUTHENTICATED. */
export const isRefusedCall = (error: unknown): boolean => {
  const { code } = fieldsOf(error);
  return code === 12 || code === 7 || code === 16;
};

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

type Fields = { readonly type?: unknown; readonly code?: unknown; readonly metadata?: Metadata | undefined };
const fieldsOf = (error: unknown): Fields => {
  if (typeof error !== "object" || error === null) return {};
  const { type, code, metadata }: { [Name in keyof Fields]?: unknown } = error;
  return { type, code, metadata: metadata instanceof Metadata ? metadata : undefined };
};
