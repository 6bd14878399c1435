import fc from "fast-check";
import { expect, it } from "vitest";
import { catalogue, encodeEvent } from "../../../src/domain/catalogue.js";
import type { MessageSent } from "../../../src/domain/conversation/conversation.events.js";
import type { ByPerson } from "../../../src/domain/kernel/by.js";
import { seed, withSeed } from "../../kit/seed.js";

/** More than any id or key may hold: quotes, backslashes, controls and halves of pairs. */
const text = fc.string({
  unit: fc.oneof(fc.string({ maxLength: 1 }), fc.constantFrom('"', "\\", "\n", "\ud800", "é")),
});
const by: fc.Arbitrary<ByPerson> = fc.oneof(
  fc.record({ kind: fc.constant("user" as const), userId: text, deviceId: text }),
  fc.record({ kind: fc.constant("bot" as const), userId: text, keyId: text }),
  fc.record({ kind: fc.constant("app" as const), keyId: text, onBehalfOf: text }),
);
const base64 = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const content = fc.oneof(
  fc.record({ alg: fc.constant("none" as const), keyId: fc.constant(""), data: text }),
  fc.record({ alg: fc.constantFrom("A256GCM" as const, "XC20P" as const), keyId: text, data: base64 }),
);
const messages: fc.Arbitrary<MessageSent> = fc.record(
  {
    type: fc.constant("MessageSent" as const),
    id: fc.uuid(),
    at: fc.nat(),
    by,
    messageId: text,
    sequence: fc.nat(),
    clientMessageId: text,
    contentType: fc.constantFrom("text" as const, "location" as const, "encrypted" as const),
    content,
    replyTo: text,
    expiresAt: fc.nat(),
    mentions: fc.array(text, { minLength: 1, maxLength: 3 }),
    forwarded: fc.constant(true as const),
    origin: fc.record({ source: text, id: text, at: fc.nat() }),
  },
  { requiredKeys: ["type", "id", "at", "by", "messageId", "sequence", "clientMessageId", "contentType", "content"] },
);

it(`a message is stored as JSON.stringify would write it (seed ${seed})`, () => {
  fc.assert(
    fc.property(messages, text, text, (event, commandId, correlationId) => {
      const { messageId, sequence, clientMessageId, contentType, replyTo, expiresAt } = event;
      const { mentions, forwarded, origin } = event;
      const stored = encodeEvent(event, { commandId, correlationId });
      const first = { messageId, sequence, clientMessageId, contentType, content: event.content };
      expect(stored.data).toBe(JSON.stringify({ ...first, replyTo, expiresAt, mentions, forwarded, origin }));
      const schema = catalogue.MessageSent.length;
      expect(stored.meta).toBe(JSON.stringify({ at: event.at, by: event.by, commandId, correlationId, schema }));
      expect(stored).toMatchObject({ id: event.id, type: "MessageSent", decoded: event });
    }),
    withSeed({ numRuns: 500 }),
  );
});
