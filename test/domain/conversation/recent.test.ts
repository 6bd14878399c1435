import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  contentTypeCodec,
  type ContentType,
  type MessageSent,
} from "../../../src/domain/conversation/conversation.events.js";
import type { EvictedIds } from "../../../src/domain/conversation/evicted-ids.js";
import { findMessage, mayBeEvicted, messagesIndex, type Messages } from "../../../src/domain/conversation/messages.js";
import { messagesChunks, messagesFrom } from "../../../src/domain/conversation/messages.snapshot.js";
import {
  isRecent,
  noRecent,
  remember,
  windowOf,
  windowStart,
  type RecentMessage,
} from "../../../src/domain/conversation/recent.js";
import { grownRing, link, placeOf, ringOf, unlinkOldest } from "../../../src/domain/conversation/ring.js";
import { wordsOf } from "../../../src/domain/conversation/id-words.js";
import { isMessageId, type MessageId } from "../../../src/domain/kernel/ids.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { asRevision, firstRevision } from "../../../src/domain/kernel/stream.js";
import { messageOf } from "../../kit/conversations.js";
import { mayBeGone, nothingRemembered, rememberAll, startOf, type Remembered } from "../../kit/remembered.js";
import { seed, withSeed } from "../../kit/seed.js";

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");
/** The id of the n-th message: a digest, or one that differs from others where it is looked at last, or no UUID at all. */
const forms: readonly ((n: number) => MessageId)[] = [
  (n) => messageOf("alice", `m${n}`),
  (n) => `c0ffee00-${hex(n >> 8, 4)}-5000-8000-0000000000${hex(n & 255, 2)}`,
  (n) => `ffffffff-ffff-ffff-${hex(n, 4)}-ffffffffffff`,
  (n) => `0000${hex(n, 4)}-0000-0000-0000-000000000000`,
  (n) => `${hex(n, 4)}0000-8000-4000-8000-80000000${hex(n, 4)}`,
  (n) => messageOf("alice", `m${n}`).toUpperCase(),
  (n) => hex(n, 1),
  (n) => `${hex(n, 8)}-0000-0000-0000-00000000000g`,
  (n) => `${hex(n, 8)}+0000+0000+0000+000000000000`,
  (n) => `${hex(n, 8)}-0000-0000-0000-0000000000000`,
];
const uuids = 5;
const senders = ["alice", "bob", "carol", hex(1, 1)];
const contentTypes = Object.keys(contentTypeCodec.keys) as ContentType[];

/** So many messages, of one form of ids or of all; `appended`: decided over the index first, and taken or dropped. */
const step = fc.record({
  count: fc.oneof(fc.nat(20), fc.constantFrom(limits.recentMessagesMax, 700, 333)),
  form: fc.oneof({ weight: 2, arbitrary: fc.nat(forms.length - 1) }, { weight: 1, arbitrary: fc.constant(undefined) }),
  senders: fc.constantFrom(1, 3, 400),
  decided: fc.constantFrom("not", "taken", "dropped"),
  isStored: fc.boolean(),
});

const sentIn = (
  from: number,
  lastSequence: number,
  { count, form, senders: many }: Step,
  revision: number,
): readonly MessageSent[] =>
  Array.from({ length: count }, (_, index) => {
    const n = from + index;
    const messageId = forms[form ?? n % forms.length]?.(n) ?? "";
    const by = { kind: "user" as const, userId: senders[n % many] ?? `user ${n % many}`, deviceId: "phone" };
    const contentType = contentTypes[n % contentTypes.length] ?? "text";
    const content = { alg: "none" as const, keyId: "", data: "" };
    const at = 1.7e12 + revision + index + 0.5;
    return {
      type: "MessageSent",
      id: `e${n}`,
      at,
      by,
      messageId,
      sequence: lastSequence + 1 + index,
      clientMessageId: `m${n}`,
      contentType,
      content,
    };
  });
type Step = { readonly count: number; readonly form: number | undefined; readonly senders: number };

const remembering = ({ messageId, sequence, at, by, contentType }: MessageSent, pos: number): RecentMessage => {
  if (by.kind !== "user") throw new Error("a user's");
  return { messageId, sequence, pos: asRevision(pos), at, senderId: by.userId, contentType };
};

const message = (n: number): RecentMessage => ({
  ...{ messageId: messageOf("bob", `${n}`), sequence: n, pos: asRevision(10 * n), at: n },
  ...{ senderId: "bob", contentType: "text" },
});

describe(`the window of recent messages (seed ${seed})`, () => {
  it("answers as objects in a Map would, whatever is sent, evicted, decided, dropped and stored", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(), (steps, somewhere) => {
        const remembered = nothingRemembered();
        let index = messagesIndex.empty();
        let next = 1;
        let revision = 2;
        for (const { decided, isStored, ...sending } of steps) {
          const events = sentIn(next, revision - 2, sending, revision);
          const messages = events.map((event, offset) => remembering(event, revision + offset));
          const over = messagesIndex.over(index);
          if (decided !== "not") addAll(over, events, revision);
          if (decided !== "not") expectSame(over, remembered, messages, somewhere);
          if (decided === "dropped") {
            expectSame(index, remembered, [], somewhere);
            expect(messages.filter(({ messageId }) => findMessage(index, messageId))).toEqual([]);
          } else {
            events.forEach((event, offset) => {
              messagesIndex.fold(index, event, asRevision(revision + offset));
            });
            rememberAll(remembered, messages);
          }
          // Ids of what was dropped are not given again, so that they are asked for as unknown ones.
          next += sending.count;
          if (decided !== "dropped") revision += sending.count;
          if (isStored) index = restored(index);
          expectSame(index, remembered, [], somewhere);
        }
        expectUnknown(index, remembered, next);
      }),
      withSeed({ numRuns: 20 }),
    );
  });

  it("starts where the oldest of a full window is, and at the first revision before one was evicted", () => {
    const recent = noRecent();
    for (let n = 1; n <= limits.recentMessagesMax; n += 1) remember(recent, message(n));
    expect(windowStart(recent)).toBe(firstRevision);
    remember(recent, message(limits.recentMessagesMax + 1));
    expect(windowStart(recent)).toBe(message(2).pos);
  });

  it("is read as it was, whatever came since and whoever's names took the places of others", () => {
    const recent = noRecent();
    const from = (n: number, userId: string): RecentMessage => ({ ...message(n), senderId: userId });
    for (let n = 1; n <= limits.recentMessagesMax; n += 1) remember(recent, from(n, n % 2 === 0 ? "bob" : `user ${n}`));
    const window = windowOf(recent);
    for (let n = 1; n <= 100; n += 1) remember(recent, from(limits.recentMessagesMax + n, `new ${n}`));
    expect([window.count, window.message(0), window.message(2)]).toEqual([
      ...[limits.recentMessagesMax, from(1, "user 1"), from(3, "user 3")],
    ]);
  });

  it("keeps no name of a sender whose messages are all gone", () => {
    const recent = noRecent();
    for (let n = 1; n <= 5 * limits.recentMessagesMax; n += 1) {
      const other = n % 2 === 0 ? { messageId: `not a UUID, ${n}` } : {};
      remember(recent, { ...message(n), senderId: `user ${n}`, ...other });
    }
    const names = 1.5 * limits.recentMessagesMax;
    expect([recent.names.numbers.size, recent.names.byNumber.length]).toEqual([names, names]);
  });

  it("takes as little room as it has messages, and no more however many were sent", () => {
    const recent = noRecent();
    const places: number[] = [];
    for (let n = 1; n <= 3 * limits.recentMessagesMax; n += 1) {
      remember(recent, message(n));
      if (places.at(-1) !== recent.ring.places) places.push(recent.ring.places);
    }
    expect(places).toEqual([8, 16, 32, 64, 128, 256, 512, 1_024]);
  });

  it("a ring that is full grows from wherever its oldest is", () => {
    for (let oldest = 0; oldest < 4; oldest += 1) {
      const ring = ringOf(4);
      const put = (place: number, n: number): void => {
        const { first, second, third, last } = wordsOf(forms[1]?.(n) ?? "");
        ring.ids.set([first, second, third, last], place * 4);
        ring.numbers.set([n, n, n], place * 3);
        ring.small.set([n, 1], place * 2);
        link(ring, place);
      };
      for (let n = 0; n < 4 + oldest; n += 1) {
        if (n >= 4) unlinkOldest(ring, n & 3);
        put(n & 3, n);
      }
      const grown = grownRing(ring, oldest, 8);
      for (let n = 0; n < 4 + oldest; n += 1) {
        expect(placeOf(grown, wordsOf(forms[1]?.(n) ?? ""))).toBe(n < oldest ? -1 : n - oldest);
        if (n >= oldest) expect([grown.numbers[(n - oldest) * 3 + 2], grown.small[(n - oldest) * 2]]).toEqual([n, n]);
      }
    }
  });
});

const addAll = (over: Messages, events: readonly MessageSent[], revision: number): void => {
  events.forEach((event, offset) => {
    messagesIndex.add(over, event, asRevision(revision + offset));
  });
};

const restored = (index: Messages): Messages =>
  messagesFrom(new Map(messagesChunks(index).map(({ name, data }) => [name, data()])));

/** @param decided beside what is remembered */
const expectSame = (
  index: Messages,
  remembered: Remembered,
  decided: readonly RecentMessage[],
  somewhere: number,
): void => {
  const { recent } = index;
  const window = windowOf(recent);
  expectAlike(
    Array.from({ length: window.count }, (_, at) => window.message(at)),
    remembered.order,
  );
  expect(windowStart(recent)).toBe(startOf(remembered));
  expect(filterOf(recent.evicted)).toEqual(filterOf(remembered.evicted));
  const known = [...remembered.order, ...decided];
  expectAlike(
    known.map(({ messageId }) => findMessage(index, messageId)),
    known,
  );
  expect(remembered.order.every(({ messageId }) => isRecent(recent, messageId))).toBe(true);
  expect(decided.some(({ messageId }) => isRecent(recent, messageId))).toBe(false);
  const gone = [...remembered.gone].filter((_, at) => at % 7 === somewhere % 7);
  expect(gone.filter((messageId) => isRecent(recent, messageId) || !mayBeEvicted(index, messageId))).toEqual([]);
};

/** Of thousands, most often the same: `toEqual` would be most of the test's time. */
const expectAlike = (all: readonly (RecentMessage | undefined)[], expected: readonly RecentMessage[]): void => {
  if (JSON.stringify(all) !== JSON.stringify(expected)) expect(all).toEqual(expected);
};

const filterOf = ({ blocks }: EvictedIds) =>
  blocks.map(({ bits, count }) => ({ count, bits: Buffer.from(bits).toString("base64") }));

/** Ids that nobody has given, alike in all words but one to those that were. */
const expectUnknown = (index: Messages, remembered: Remembered, next: number): void => {
  for (let n = next; n < next + 100; n += 1)
    forms.forEach((form, which) => {
      const messageId = form(n);
      expect(findMessage(index, messageId)).toBeUndefined();
      expect(isRecent(index.recent, messageId)).toBe(false);
      if (which < uuids) {
        expect(isMessageId(messageId)).toBe(true);
        expect(mayBeEvicted(index, messageId)).toBe(mayBeGone(remembered, messageId));
      }
    });
};
