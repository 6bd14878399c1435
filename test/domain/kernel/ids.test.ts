import { describe, expect, it } from "vitest";
import type { ConversationId, DeviceId, MessageId, Sequence, UserId } from "../../../src/domain/kernel/ids.js";
import {
  asPosition,
  asRevision,
  type EventId,
  type Position,
  type Revision,
} from "../../../src/domain/kernel/stream.js";

/** What is asserted here the compiler asserts: at run time all of them are texts and numbers. */
describe("ids and places", () => {
  it("of another kind are not taken, though a bare text is an id and a bare number a sequence", () => {
    const deviceId: DeviceId = "phone";
    const messageId: MessageId = "6f1d7b1c-e59b-5a3d-9c0f-2a5f0f6b7c4e";
    const conversationId: ConversationId = "d_1";
    const sequence: Sequence = 7;
    // @ts-expect-error a device is no user
    const userId: UserId = deviceId;
    // @ts-expect-error a conversation is no user
    const users: readonly UserId[] = [conversationId];
    // @ts-expect-error a message's id is not its event's
    const eventId: EventId = messageId;
    // @ts-expect-error an argument of another kind is none
    const found = ((user: UserId): UserId => user)(deviceId);
    expect([userId, found, ...users, eventId, sequence]).toHaveLength(5);
  });

  it("a place of one kind is none of another", () => {
    const sequence: Sequence = 7;
    // @ts-expect-error a sequence counts messages, a revision the events of a stream
    const revision: Revision = sequence;
    // @ts-expect-error a position is of the whole log
    const ofStream: Revision = asPosition(7);
    // @ts-expect-error a sequence is of one conversation
    const position: Position = sequence;
    // @ts-expect-error a revision counts all events, a sequence only messages
    const ofMessage: Sequence = asRevision(7);
    // @ts-expect-error a position is no sequence
    const ofMessages: Sequence = asPosition(7);
    // @ts-expect-error a number becomes a revision only where it is said that it is one
    const bare: Revision = 7;
    expect([revision, ofStream, position, ofMessage, ofMessages, bare]).toHaveLength(6);
  });
});
