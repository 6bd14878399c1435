import type { MessageId, Sequence, UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { asRevision, firstRevision, type Revision } from "../kernel/stream.js";
import { contentTypeCodec, type ContentType } from "./conversation.events.js";
import { addEvicted, evictedBytes, mayBeEvicted, noEvictedIds, type EvictedIds } from "./evicted-ids.js";
import { uuidOf, wordsOf } from "./id-words.js";
import { letNameGo, noNames, takeName, type Names } from "./names.js";
import {
  contentTypeIn,
  copyOfRing,
  grownRing,
  isUuidIn,
  kindOf,
  link,
  placeOf,
  ringBytes,
  ringOf,
  unlinkOldest,
  type Ring,
} from "./ring.js";

/** What a conversation remembers of one of its newest messages: the answer to a retry. */
export type RecentMessage = {
  readonly messageId: MessageId;
  readonly sequence: Sequence;
  readonly pos: Revision;
  readonly at: number;
  readonly senderId: UserId;
  readonly contentType: ContentType;
};

/**
 * The newest messages, oldest evicted first, as numbers in a ring: 48 bytes each, where an object and its entry in a Map
 * took 300. Changed in place. No message is sent twice: `decide` knows its id, in the window or beyond it.
 */
export type RecentMessages = {
  /** As large as it had to be: a conversation of few messages has few places. */
  ring: Ring;
  /** Place of the oldest. */
  oldest: number;
  count: number;
  /** Of senders, and of ids that are no UUIDs: Parley makes none, but another program may have written to its log. */
  readonly names: Names;
  /** Ids of the evicted ones. */
  readonly evicted: EvictedIds;
};

const placesMin = 8;
/** Of every conversation without messages: nothing is ever written to it. */
const noPlaces = ringOf(0);

export const noRecent = (): RecentMessages => recentFrom([], noEvictedIds());

/** @param messages ascending */
export const recentFrom = (messages: readonly RecentMessage[], evicted: EvictedIds): RecentMessages => {
  const recent: RecentMessages = { ring: noPlaces, oldest: 0, count: 0, names: noNames(), evicted };
  for (const message of messages) add(recent, message);
  return recent;
};

export const remember = (recent: RecentMessages, message: RecentMessage): void => {
  if (recent.count >= limits.recentMessagesMax) evictOldest(recent);
  add(recent, message);
};

export const findRecent = (recent: RecentMessages, messageId: MessageId): RecentMessage | undefined => {
  const place = find(recent, messageId);
  return place < 0 ? undefined : messageIn(recent, place);
};

export const isRecent = (recent: RecentMessages, messageId: MessageId): boolean => find(recent, messageId) >= 0;

/** Whether the message may exist although it is not among the recent ones. */
export const mayBeOlderThanRecent = ({ evicted }: RecentMessages, messageId: MessageId): boolean => {
  if (evicted.blocks.length === 0) return false;
  const { first, last } = wordsOf(messageId);
  return mayBeEvicted(evicted, first, last);
};

/** Where the window starts: every change from this revision on is in the index; 0 while nothing was evicted. */
export const windowStart = ({ ring, oldest, count, evicted }: RecentMessages): Revision =>
  evicted.blocks.length === 0 || count === 0 ? firstRevision : asRevision(ring.numbers[oldest * 3 + 1] ?? 0);

/** The window as it is now, oldest first: later events leave it alone, and nothing is made of a message that is not read. */
export type Window = {
  readonly count: number;
  readonly sequence: (index: number) => Sequence;
  readonly message: (index: number) => RecentMessage;
};

export const windowOf = ({ ring, oldest, count, names }: RecentMessages): Window => {
  const now = { ring: copyOfRing(ring), names: { byNumber: [...names.byNumber] } };
  const placeAt = (index: number): number => (oldest + index) & (ring.places - 1);
  return {
    count,
    sequence: (index) => now.ring.numbers[placeAt(index) * 3] ?? 0,
    message: (index) => messageIn(now, placeAt(index)),
  };
};

/** Bytes in memory, but for the names. */
export const recentBytes = ({ ring, evicted }: RecentMessages): number => ringBytes(ring) + evictedBytes(evicted);

const contentTypes = Object.keys(contentTypeCodec.keys) as readonly ContentType[];

const add = (recent: RecentMessages, message: RecentMessage): void => {
  const { count, names } = recent;
  if (count === recent.ring.places) grow(recent);
  const { ring, oldest } = recent;
  const place = (oldest + count) & (ring.places - 1);
  const { ids, numbers, small } = ring;
  const { isUuid, first, second, third, last } = wordsOf(message.messageId);
  ids[place * 4] = isUuid ? first : takeName(names, message.messageId);
  ids[place * 4 + 1] = second;
  ids[place * 4 + 2] = third;
  ids[place * 4 + 3] = last;
  numbers[place * 3] = message.sequence;
  numbers[place * 3 + 1] = message.pos;
  numbers[place * 3 + 2] = message.at;
  small[place * 2] = takeName(names, message.senderId);
  small[place * 2 + 1] = kindOf(contentTypes.indexOf(message.contentType), isUuid);
  link(ring, place);
  recent.count = count + 1;
};

const grow = (recent: RecentMessages): void => {
  const { ring, oldest } = recent;
  recent.ring = grownRing(ring, oldest, Math.max(placesMin, ring.places * 2));
  recent.oldest = 0;
};

const evictOldest = (recent: RecentMessages): void => {
  const { ring, oldest, names } = recent;
  const [first = 0, last = 0] = [ring.ids[oldest * 4], ring.ids[oldest * 4 + 3]];
  unlinkOldest(ring, oldest);
  if (isUuidIn(ring.small[oldest * 2 + 1] ?? 0)) addEvicted(recent.evicted, first, last);
  else {
    // As `wordsOf` has it for all of these, so that `mayBeOlderThanRecent` finds it.
    addEvicted(recent.evicted, 0, 0);
    letNameGo(names, first);
  }
  letNameGo(names, ring.small[oldest * 2] ?? 0);
  recent.oldest = (oldest + 1) & (ring.places - 1);
  recent.count -= 1;
};

const find = ({ ring, names }: RecentMessages, messageId: MessageId): number => {
  const words = wordsOf(messageId);
  if (words.isUuid) return placeOf(ring, words);
  const number = names.numbers.get(messageId);
  return number === undefined ? -1 : placeOf(ring, { ...words, first: number });
};

const messageIn = (
  { ring: { ids, numbers, small }, names }: { readonly ring: Ring; readonly names: Pick<Names, "byNumber"> },
  place: number,
): RecentMessage => {
  const kind = small[place * 2 + 1] ?? 0;
  const [first = 0, second = 0, third = 0, last = 0] = ids.subarray(place * 4, place * 4 + 4);
  return {
    messageId: isUuidIn(kind) ? uuidOf(first, second, third, last) : (names.byNumber[first] ?? ""),
    sequence: numbers[place * 3] ?? 0,
    pos: asRevision(numbers[place * 3 + 1] ?? 0),
    at: numbers[place * 3 + 2] ?? 0,
    senderId: names.byNumber[small[place * 2] ?? 0] ?? "",
    contentType: contentTypes[contentTypeIn(kind)] ?? "text",
  };
};
