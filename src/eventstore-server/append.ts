/** `Streams.Append`: one append a call. A wrong expectation is an answer, everything else a status. */
import type { ServerReadableStream, sendUnaryData } from "@grpc/grpc-js";
import type { AppendResult, EventLog } from "../commands/ports.js";
import { noRevision } from "../domain/kernel/stream.js";
import { invalid, type CallError } from "./errors.js";
import { appendProposed, checkStream, createProposed, expectationOf, type Expectation } from "./proposed.js";
import { nameOf, shared, streams } from "./proto.js";
import { messagesOf } from "./sink.js";

type Request = InstanceType<typeof streams.AppendReq>;
type Response = InstanceType<typeof streams.AppendResp>;

/** The promise resolves when the call is answered; it never rejects. */
export const append = async (
  log: EventLog,
  call: ServerReadableStream<Request, Response>,
  answer: sendUnaryData<Response>,
  report: (error: unknown) => CallError,
): Promise<void> => {
  try {
    const { stream, expected, events } = await takeIn(call);
    answer(null, responseOf(await appendProposed(log, stream, expected, events), expected));
  } catch (error) {
    answer(report(error));
  }
};

const takeIn = async (call: ServerReadableStream<Request, Response>) => {
  const proposed = createProposed();
  let options: InstanceType<typeof streams.AppendReq.Options> | undefined;
  for await (const message of messagesOf<Request>(call)) {
    options ??= message.getOptions();
    const event = message.getProposedMessage();
    if (event !== undefined) proposed.add(event);
  }
  if (options === undefined) throw invalid("An append has options.");
  const stream = nameOf(options.getStreamIdentifier());
  checkStream(stream);
  const expected = expectationOf(options, options.hasRevision() ? options.getRevision() : "");
  return { stream, expected, events: proposed.events() };
};

const responseOf = (result: AppendResult, expected: Expectation): Response => {
  const response = new streams.AppendResp();
  if (result.kind === "conflict") return response.setWrongExpectedVersion(wrongVersion(result.actual, expected));
  const success = new streams.AppendResp.Success();
  if (result.revision === noRevision) success.setNoStream(new shared.Empty());
  else success.setCurrentRevision(String(result.revision));
  if (result.position === 0) return response.setSuccess(success.setNoPosition(new shared.Empty()));
  const position = new streams.AppendResp.Position()
    .setCommitPosition(String(result.position))
    .setPreparePosition(String(result.position));
  return response.setSuccess(success.setPosition(position));
};

const wrongVersion = (actual: number, expected: Expectation) => {
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (actual === noRevision) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(actual));
  switch (expected) {
    case "any":
      return wrong.setExpectedAny(new shared.Empty());
    case "no_stream":
      return wrong.setExpectedNoStream(new shared.Empty());
    case "stream_exists":
      return wrong.setExpectedStreamExists(new shared.Empty());
    default:
      return wrong.setExpectedRevision(String(expected));
  }
};
