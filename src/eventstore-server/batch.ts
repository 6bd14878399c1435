/**
 * `Streams.BatchAppend`: many appends on one call, each in pieces under an id of its own, answered as they are durable.
 * What goes wrong with one is its answer and leaves the others alone.
 */
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import type { AppendResult, EventLog } from "../commands/ports.js";
import { noRevision } from "../domain/kernel/stream.js";
import { limits } from "../domain/kernel/limits.js";
import { CallError, callErrorOf, invalid, sizeExceeded, stopping } from "./errors.js";
import {
  appendProposed,
  checkStream,
  createProposed,
  expectationOf,
  type Expectation,
  type Proposed,
} from "./proposed.js";
import { Code, GoogleAny, GoogleEmpty, nameOf, shared, streams, status as statuses, uuidOf } from "./proto.js";
import { messagesOf, type Sink } from "./sink.js";

type Request = InstanceType<typeof streams.BatchAppendReq>;
type Response = InstanceType<typeof streams.BatchAppendResp>;
export type BatchCall = ServerDuplexStream<Request, Response>;

/** Appends of one call that are not whole yet: clients send the pieces of all their appends in turn. */
const openMax = 4_096;
/** What these hold; the server refuses an append beyond it, the others go on. */
const openBytesMax = 16 * 1024 * 1024;
/** Appends of one call that wait for the log. */
const inFlightMax = 256;

type Options = InstanceType<typeof streams.BatchAppendReq.Options>;
type Open = { readonly options: Options; proposed: Proposed; error: CallError | undefined };
type Opened = { readonly appends: Map<string, Open>; bytes: number };

type Context = {
  readonly log: EventLog;
  readonly sink: Sink<Response>;
  readonly report: (error: unknown) => CallError;
  /** Takes what ends the call when the server stops; answers what forgets it. @throws CallError when that is refused */
  readonly register: (end: () => void) => () => void;
};

/** Serves the call until the client ends it and all is answered. */
export const batchAppend = async (call: BatchCall, { log, sink, report, register }: Context): Promise<void> => {
  const open: Opened = { appends: new Map(), bytes: 0 };
  const inFlight = new Set<Promise<void>>();
  try {
    sink.onEnd(
      register(
        () =>
          void Promise.all(inFlight).then(() => {
            sink.fail(stopping());
          }),
      ),
    );
    for await (const message of messagesOf<Request>(call)) {
      const whole = takeIn(open, message);
      if (whole === undefined) continue;
      const done = settle(log, message, whole).then(async (response) => {
        await sink.send(response);
        inFlight.delete(done);
      });
      inFlight.add(done);
      if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    sink.end();
  } catch (error) {
    // A client that is gone has ended the reading as well; no client is left to be told then.
    if (!sink.ended()) sink.fail(report(error));
  }
};

/** The append that this piece completes. One that was refused is forgotten only with its last piece. */
const takeIn = (open: Opened, message: Request): Open | undefined => {
  const id = uuidOf(message.getCorrelationId());
  const append = open.appends.get(id) ?? begin(message.getOptions());
  open.appends.set(id, append);
  if (open.appends.size > openMax)
    throw new CallError(status.RESOURCE_EXHAUSTED, `At most ${openMax} appends are open at once.`);
  open.bytes -= append.proposed.bytes();
  try {
    if (append.error === undefined) for (const event of message.getProposedMessagesList()) append.proposed.add(event);
    if (open.bytes + append.proposed.bytes() > openBytesMax)
      throw new CallError(status.UNAVAILABLE, `The appends that are not whole yet hold ${openBytesMax} bytes.`);
  } catch (error) {
    append.error = callErrorOf(error);
    append.proposed = createProposed();
  }
  if (!message.getIsFinal()) {
    open.bytes += append.proposed.bytes();
    return undefined;
  }
  open.appends.delete(id);
  return append;
};

const begin = (options: Options | undefined): Open => {
  if (options === undefined) throw invalid("The first piece of an append has its options.");
  return { options, proposed: createProposed(), error: undefined };
};

const settle = async (log: EventLog, message: Request, { options, proposed, error }: Open): Promise<Response> => {
  const response = new streams.BatchAppendResp()
    .setCorrelationId(message.getCorrelationId())
    .setStreamIdentifier(options.getStreamIdentifier());
  try {
    if (error !== undefined) throw error;
    const stream = nameOf(options.getStreamIdentifier());
    checkStream(stream);
    const expected = expectationOf(options, options.hasStreamPosition() ? options.getStreamPosition() : "");
    const result = await appendProposed(log, stream, expected, proposed.events());
    if (result.kind === "appended") return response.setSuccess(successOf(result));
    const wrong = wrongVersion(result.actual, expected).serializeBinary();
    return response.setError(statusOf(Code.FAILED_PRECONDITION, "WrongExpectedVersion", "WrongExpectedVersion", wrong));
  } catch (problem) {
    return response.setError(errorStatus(callErrorOf(problem)));
  }
};

const successOf = ({ revision, position }: AppendResult & { readonly kind: "appended" }) => {
  const success = new streams.BatchAppendResp.Success();
  if (revision === noRevision) success.setNoStream(new GoogleEmpty());
  else success.setCurrentRevision(String(revision));
  if (position === 0) return success.setNoPosition(new GoogleEmpty());
  return success.setPosition(
    new shared.AllStreamPosition().setCommitPosition(String(position)).setPreparePosition(String(position)),
  );
};

const wrongVersion = (actual: number, expected: Expectation) => {
  const wrong = new shared.WrongExpectedVersion();
  if (actual === noRevision) wrong.setCurrentNoStream(new GoogleEmpty());
  else wrong.setCurrentStreamRevision(String(actual));
  switch (expected) {
    case "any":
      return wrong.setExpectedAny(new GoogleEmpty());
    case "no_stream":
      return wrong.setExpectedNoStream(new GoogleEmpty());
    case "stream_exists":
      return wrong.setExpectedStreamExists(new GoogleEmpty());
    default:
      return wrong.setExpectedStreamPosition(String(expected));
  }
};

/** In a batch an error is a message with a name that clients compare; what they have no name for they tell by its text. */
const errorStatus = ({ code, details, exception }: CallError): Status => {
  if (exception === sizeExceeded) {
    const exceeded = new shared.MaximumAppendSizeExceeded().setMaxappendsize(limits.appendBytesMax);
    return statusOf(Code.INVALID_ARGUMENT, details, "MaximumAppendSizeExceeded", exceeded.serializeBinary());
  }
  if (code === status.INVALID_ARGUMENT)
    return statusOf(
      Code.INVALID_ARGUMENT,
      details,
      "BadRequest",
      new shared.BadRequest().setMessage(details).serializeBinary(),
    );
  if (code === status.PERMISSION_DENIED)
    return statusOf(Code.PERMISSION_DENIED, details, "AccessDenied", new shared.AccessDenied().serializeBinary());
  if (code === status.DEADLINE_EXCEEDED)
    return statusOf(Code.DEADLINE_EXCEEDED, details, "Timeout", new shared.Timeout().serializeBinary());
  if (code === status.UNAVAILABLE)
    return statusOf(Code.UNAVAILABLE, `Server Is Too Busy: ${details}`, undefined, new GoogleEmpty().serializeBinary());
  return statusOf(Code.UNKNOWN, details, "Unknown", new shared.Unknown().serializeBinary());
};

type Status = InstanceType<typeof statuses.Status>;

const statusOf = (
  code: Parameters<Status["setCode"]>[0],
  message: string,
  name: string | undefined,
  details: Uint8Array,
): Status => {
  const any = new GoogleAny();
  any.pack(details, name === undefined ? "google.protobuf.Empty" : `event_store.client.${name}`);
  return new statuses.Status().setCode(code).setMessage(message).setDetails(any);
};
