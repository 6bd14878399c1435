/** What a read asks for, on the wire: `Streams.Read`'s request. */
import shared_pb from "@eventstore/db-client/generated/shared_pb.js";
import streams_pb, { type ReadReq } from "@eventstore/db-client/generated/streams_pb.js";
import type { Direction } from "../../../commands/ports.js";
import type { Position, Revision, StreamName } from "../../../domain/kernel/stream.js";

const { Options } = streams_pb.ReadReq;
type Edge = "start" | "end";

/** Inclusive. */
export const streamRequest = (
  stream: StreamName,
  from: Revision | Edge,
  count: number,
  direction: Direction,
): ReadReq => {
  const identifier = new shared_pb.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream, "utf8"));
  const where = new Options.StreamOptions().setStreamIdentifier(identifier);
  if (from === "start") where.setStart(new shared_pb.Empty());
  else if (from === "end") where.setEnd(new shared_pb.Empty());
  else where.setRevision(String(from));
  return requestOf(counted(count, direction).setStream(where));
};

/** Of `$all`: forwards inclusive, backwards strictly before the position. */
export const allRequest = (from: Position | Edge, count: number, direction: Direction): ReadReq =>
  requestOf(counted(count, direction).setAll(placeInAll(from)));

/**
 * A subscription to the streams of these prefixes in `$all`, strictly after a position.
 * @param checkpointInterval in windows of 32 events of others: how often the server tells where it is in what it filters out
 */
export const subscriptionRequest = (
  after: Position | Edge,
  prefixes: readonly string[],
  checkpointInterval: number,
): ReadReq => {
  const expression = new Options.FilterOptions.Expression().setPrefixList([...prefixes]);
  const filter = new Options.FilterOptions()
    .setStreamIdentifier(expression)
    .setCount(new shared_pb.Empty())
    .setCheckpointintervalmultiplier(checkpointInterval);
  const options = new Options().setAll(placeInAll(after)).setFilter(filter);
  return requestOf(options.setSubscription(new Options.SubscriptionOptions()));
};

const counted = (count: number, direction: Direction): InstanceType<typeof Options> =>
  new Options()
    .setCount(String(count))
    .setReadDirection(Options.ReadDirection[direction === "backwards" ? "BACKWARDS" : "FORWARDS"])
    .setNoFilter(new shared_pb.Empty());

/** Both numbers of the store's are the same because Parley never writes explicit transactions. */
const placeInAll = (from: Position | Edge): InstanceType<typeof Options.AllOptions> => {
  const all = new Options.AllOptions();
  if (from === "start") return all.setStart(new shared_pb.Empty());
  if (from === "end") return all.setEnd(new shared_pb.Empty());
  const position = new Options.Position().setCommitPosition(String(from)).setPreparePosition(String(from));
  return all.setPosition(position);
};

const requestOf = (options: InstanceType<typeof Options>): ReadReq => {
  options.setResolveLinks(false).setUuidOption(new Options.UUIDOption().setString(new shared_pb.Empty()));
  return new streams_pb.ReadReq().setOptions(options);
};
