import type { RecordedEvent } from "../../src/domain/kernel/stream.js";
import { createdTicks } from "../../src/eventstore-server/encode.js";
import { identifierOf, shared, streams } from "../../src/eventstore-server/proto.js";

const { ReadResp } = streams;
export type Response = InstanceType<typeof ReadResp>;

/** What the prebuilt answers are compared with: the same response by the generated code. */
export const responseOf = ({ id, stream, revision, position, type, data, meta }: RecordedEvent): Response => {
  const recorded = new ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(id))
    .setStreamIdentifier(identifierOf(stream))
    .setStreamRevision(String(revision))
    .setPreparePosition(String(position))
    .setCommitPosition(String(position))
    .setCustomMetadata(Buffer.from(meta))
    .setData(Buffer.from(data));
  recorded
    .getMetadataMap()
    .set("type", type)
    .set("content-type", "application/json")
    .set("created", createdTicks(meta));
  const event = new ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(String(position));
  return new ReadResp().setEvent(event);
};
