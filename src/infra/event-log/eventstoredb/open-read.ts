import type { ClientReadableStream } from "@grpc/grpc-js";
import { StreamsClient, StreamsService } from "@eventstore/db-client/generated/streams_grpc_pb.js";
import type { ReadReq } from "@eventstore/db-client/generated/streams_pb.js";
import type { ClientInternals } from "./client.js";
import { replyIn, type Reply } from "./reply.js";

/** A read under way: a stream of replies, which ends with an error, gRPC's own, or when all is said. */
export type ReadCall = ClientReadableStream<Reply>;

/**
 * Opens a read on the client's channel, without a deadline.
 * @throws (rejects) gRPC's error when there is no server
 */
export const openRead = (internals: ClientInternals, request: ReadReq, requiresLeader: boolean): Promise<ReadCall> => {
  const { path, requestSerialize } = StreamsService.read;
  return internals.GRPCStreamCreator(StreamsClient, "read", (client): ReadCall => {
    const how = internals.callArguments({ requiresLeader }, { deadline: Infinity });
    return client.makeServerStreamRequest(path, requestSerialize, replyIn, request, ...how);
  })();
};

/** Not in the turn in which the call was opened or has answered: gRPC's library may throw then (its issues 1464, 1652). */
export const cancelSoon = (call: ReadCall): void => {
  setImmediate(() => {
    call.cancel();
  });
};
