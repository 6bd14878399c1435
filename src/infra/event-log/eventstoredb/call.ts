/** One BatchAppend call: requests go out as they come, answers come back in any order, by correlation id. */
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { StreamsClient, StreamsService } from "@eventstore/db-client/generated/streams_grpc_pb.js";
import type { BatchAppendReq, BatchAppendResp } from "@eventstore/db-client/generated/streams_pb.js";
import { LogError, type AppendResult } from "../../../commands/ports.js";
import type { ClientInternals } from "./client.js";
import { isRefusedCall, messageOf } from "./errors.js";
import { answerOf, correlationOf } from "./request.js";

export type AppendCall = {
  /** Calls `settle` once, unless it is forgotten before. Its back-pressure is not awaited: callers bound what they send. */
  readonly send: (correlation: number, request: BatchAppendReq, settle: Settle) => void;
  /** The append waits for this answer no more; when it comes nevertheless it is dropped. */
  readonly forget: (correlation: number) => void;
  /** The call is used no more, and is cancelled, with what is still in its buffers, when no append waits for it. */
  readonly retire: () => void;
  /** False once it was retired or has ended. */
  readonly usable: () => boolean;
};
type Settle = (answer: AppendResult | LogError) => void;

/**
 * @throws (rejects) before anything is sent: LogError `UNAVAILABLE` when the server takes no batches, gRPC's error when
 * there is no server.
 */
export const openAppendCall = async (
  internals: ClientInternals,
  target: string,
  { requiresLeader = false } = {},
): Promise<AppendCall> => {
  const features = await internals.capabilities;
  if (!features.supports(StreamsService.batchAppend))
    throw new LogError("UNAVAILABLE", `the event store at ${target} is read-only or older than 21.10`);
  let opened: AppendCall | undefined;
  await internals.GRPCStreamCreator(StreamsClient, "batchAppend", (client) => {
    const stream = client.batchAppend(...internals.callArguments({ requiresLeader }, { deadline: Infinity }));
    opened = createAppendCall(stream, target);
    return stream;
  })();
  if (opened === undefined) throw new Error("the client opened no call");
  return opened;
};

const createAppendCall = (stream: ClientDuplexStream<BatchAppendReq, BatchAppendResp>, target: string): AppendCall => {
  const waiting = new Map<number, Settle>();
  let retired = false;
  const cancelIfIdle = (): void => {
    if (retired && waiting.size === 0) stream.cancel();
  };
  const end = (error: Error): void => {
    retired = true;
    const code = isRefusedCall(error) ? "UNAVAILABLE" : "OUTCOME_UNKNOWN";
    const reason = `the connection to the event store at ${target} has ended before it answered: ${messageOf(error)}`;
    for (const settle of waiting.values()) settle(new LogError(code, reason, { cause: error }));
    waiting.clear();
  };
  stream.on("data", (response: BatchAppendResp) => {
    const correlation = correlationOf(response);
    const settle = waiting.get(correlation);
    waiting.delete(correlation);
    settle?.(answerOf(response, target));
    cancelIfIdle();
  });
  stream.on("error", end);
  stream.on("end", () => {
    end(new Error("the server ended the call"));
  });
  return {
    send: (correlation, request, settle) => {
      waiting.set(correlation, settle);
      stream.write(request);
    },
    forget: (correlation) => {
      waiting.delete(correlation);
      cancelIfIdle();
    },
    retire: () => {
      retired = true;
      cancelIfIdle();
    },
    usable: () => !retired,
  };
};
