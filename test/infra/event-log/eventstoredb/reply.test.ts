import fc from "fast-check";
import { describe, expect, it } from "vitest";
import shared_pb from "@eventstore/db-client/generated/shared_pb.js";
import streams_pb, { type ReadResp } from "@eventstore/db-client/generated/streams_pb.js";
import { replyIn, type StoredRecord } from "../../../../src/infra/event-log/eventstoredb/reply.js";
import { oddJson } from "../../../kit/odd-json.js";
import { withSeed } from "../../../kit/seed.js";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const position = fc.oneof(fc.nat(200), fc.maxSafeNat());
const text = fc.string({ unit: "grapheme" });
const records: fc.Arbitrary<StoredRecord> = fc.record({
  id: fc.uuid(),
  stream: text,
  revision: position,
  commit: position,
  prepare: position,
  type: text,
  data: fc.oneof(oddJson, text),
  meta: fc.oneof(oddJson, text),
});

const recorded = ({ id, stream, revision, commit, prepare, type, data, meta }: StoredRecord) => {
  const event = new streams_pb.ReadResp.ReadEvent.RecordedEvent();
  event.setId(new shared_pb.UUID().setString(id));
  event.setStreamIdentifier(new shared_pb.StreamIdentifier().setStreamName(utf8(stream)));
  event.setStreamRevision(String(revision)).setCommitPosition(String(commit)).setPreparePosition(String(prepare));
  event.setData(utf8(data)).setCustomMetadata(utf8(meta));
  event.getMetadataMap().set("content-type", "application/json").set("type", type).set("created", "17600000000000000");
  return event;
};
const bytesOf = (response: ReadResp): Buffer => Buffer.from(response.serializeBinary());
const eventOf = (record: StoredRecord): ReadResp => {
  const event = new streams_pb.ReadResp.ReadEvent().setEvent(recorded(record)).setCommitPosition("7");
  // What a link is in is not the event.
  event.setLink(recorded({ ...record, id: "another", data: "another" }));
  return new streams_pb.ReadResp().setEvent(event);
};

/** Fields 100 to 103: a number, eight bytes, four bytes, a text. */
const unknownFields = ["a0069601", "a9060101010101010101", "b50601010101", "ba060161"].join("");

describe("a reply of a read", () => {
  it("is read as the generated code writes it, its texts in the characters in which they were stored", () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(replyIn(bytesOf(eventOf(record)))).toEqual({ kind: "event", record });
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it("may be something else, and fields that nobody knows yet are passed over", () => {
    const { ReadResp } = streams_pb;
    const said = (fill: (response: ReadResp) => unknown): Buffer => {
      const response = new ReadResp();
      fill(response);
      return Buffer.concat([bytesOf(response), Buffer.from(unknownFields, "hex")]);
    };
    expect(
      [
        said((response) => response.setConfirmation(new ReadResp.SubscriptionConfirmation().setSubscriptionId("s"))),
        said((response) => response.setStreamNotFound(new ReadResp.StreamNotFound())),
        said((response) => response.setCheckpoint(new ReadResp.Checkpoint().setCommitPosition("9"))),
        said((response) => response.setCaughtUp(new ReadResp.CaughtUp())),
        said((response) => response.setEvent(new ReadResp.ReadEvent())),
      ].map((bytes) => replyIn(bytes).kind),
    ).toEqual(["confirmation", "not_found", "other", "other", "other"]);
  });

  it.each(["b506010101", "a906010101010101"])("that ends within a field of a fixed length is refused: %s", (cut) => {
    expect(() => replyIn(Buffer.from(cut, "hex"))).toThrow("the message ends within a field");
  });

  it("that is cut off anywhere, or no such message, is refused or read as less, and never loops", () => {
    fc.assert(
      fc.property(records, fc.double({ min: 0, max: 1, noNaN: true }), (record, share) => {
        const whole = bytesOf(eventOf(record));
        const cut = whole.subarray(0, Math.floor(share * (whole.length - 1)));
        try {
          expect(replyIn(cut).kind).toBe("other");
        } catch (error) {
          expect((error as Error).message).toMatch(/^the message ends within/);
        }
      }),
      withSeed({ numRuns: 200 }),
    );
    expect(() => replyIn(Buffer.from([0x0b]))).toThrow("wire type 3");
  });
});
