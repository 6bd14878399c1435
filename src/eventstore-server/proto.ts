/** EventStoreDB's messages and services, as its own client ships them (CommonJS without an `exports` map). */
import { Buffer } from "node:buffer";
import codes from "@eventstore/db-client/generated/code_pb.js";
import gossip from "@eventstore/db-client/generated/gossip_pb.js";
import gossipServices from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import features from "@eventstore/db-client/generated/serverfeatures_pb.js";
import featuresServices from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import persistentServices from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import status from "@eventstore/db-client/generated/status_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import streamsServices from "@eventstore/db-client/generated/streams_grpc_pb.js";
import googleAny from "google-protobuf/google/protobuf/any_pb.js";
import googleEmpty from "google-protobuf/google/protobuf/empty_pb.js";

export const { Code } = codes;
export const { Any: GoogleAny } = googleAny;
/** BatchAppend means this Empty, everything else EventStoreDB's own. */
export const { Empty: GoogleEmpty } = googleEmpty;
export { features, gossip, shared, status, streams };
export const { StreamsService } = streamsServices;
export const { ServerFeaturesService } = featuresServices;
export const { GossipService } = gossipServices;
export const { PersistentSubscriptionsService } = persistentServices;

type Identifier = InstanceType<typeof shared.StreamIdentifier>;
type Uuid = InstanceType<typeof shared.UUID>;

/** Names travel as bytes; a string given to a bytes field would be taken for base64. */
export const identifierOf = (stream: string): Identifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(stream, "utf8"));

export const nameOf = (identifier: Identifier | undefined): string =>
  identifier === undefined ? "" : Buffer.from(identifier.getStreamName_asU8()).toString("utf8");

/** Clients send ids as texts or as two signed halves. */
export const uuidOf = (uuid: Uuid | undefined): string => {
  const halves = uuid?.getStructured();
  if (uuid === undefined || halves === undefined) return uuid?.getString() ?? "";
  const half = (signed: string): string => BigInt.asUintN(64, BigInt(signed)).toString(16).padStart(16, "0");
  const hex = half(halves.getMostSignificantBits()) + half(halves.getLeastSignificantBits());
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

/** 64-bit numbers travel as texts; whatever is beyond what a number holds is beyond every log. */
export const wholeNumber = (text: string): number => Math.min(Number(text), Number.MAX_SAFE_INTEGER);
