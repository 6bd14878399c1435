import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { entriesMax } from "../../lib/lru.js";
import type { KeyStore } from "../ports.js";

/**
 * Whose key seals a text, which is when the text ends. `messages`: the author's of a month. `profile`: what only the
 * user's erasure ends. `conversation`: what is nobody's own, such as the name of a group, and outlives its author's
 * erasure.
 */
export type DataKey =
  | { readonly of: "messages"; readonly userId: UserId; /** Unix milliseconds. */ readonly at: number }
  | { readonly of: "profile"; readonly userId: UserId }
  | { readonly of: "conversation"; readonly conversationId: ConversationId };

export type AuthorsKey = Extract<DataKey, { readonly of: "messages" }>;

/** What is compared for as long as a conversation or a profile is there has one key, whatever incarnation that is of. */
export type LastingKey = Exclude<DataKey, { readonly of: "messages" }>;

/**
 * A key's name in the store. A slash is in no id, and no month is called as the other kinds are. Logs of before have
 * names without an incarnation: a name is only looked up, never taken apart.
 */
export const keyIdOf = (key: DataKey, incarnation: string): string => {
  switch (key.of) {
    case "messages":
      return `${key.userId}/${monthOf(key.at)}/${incarnation}`;
    case "profile":
      return `${key.userId}/profile/${incarnation}`;
    case "conversation":
      return `${key.conversationId}/conversation/${incarnation}`;
  }
};

/**
 * The names that a user's keys of each month of a time may have, the newest month first: of every incarnation, and as
 * logs have them that are older than incarnations.
 */
export function* monthlyKeyIds(
  userId: UserId,
  { from, to }: { readonly from: number; readonly to: number },
  incarnations: readonly string[],
): Generator<readonly string[], void> {
  const oldest = monthNumber(Math.min(from, to));
  for (let month = monthNumber(Math.max(from, to)); month >= oldest; month -= 1) {
    const at = Date.UTC(Math.floor(month / 12), month % 12);
    const key = { of: "messages", userId, at } as const;
    yield [...incarnations.map((incarnation) => keyIdOf(key, incarnation)), `${userId}/${monthOf(at)}`];
  }
}

const monthNumber = (at: number): number => {
  const date = new Date(at);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
};

const dayMs = 86_400_000;
let today = { day: -1, month: "" };
/** `2026-11`. Formatting a date for each message would cost 1 µs, so it is done once a day. */
const monthOf = (at: number): string => {
  const day = Math.floor(at / dayMs);
  if (day !== today.day) today = { day, month: new Date(at).toISOString().slice(0, 7) };
  return today.month;
};

/** Authors whose keys' names are in memory, some 100 bytes each: as many as a store keeps keys. */
const authorsMax = 20_000;

/**
 * `keyIdOf` of authors' keys, each made once a month. A name that is put together for every message is copied and hashed
 * wherever it is looked up, which costs 0.2 µs against 0.03, and every event has a text of its own for it in memory.
 */
export const createMonthNames = (incarnation: string): ((key: AuthorsKey) => string) => {
  const names = new LRUCache<UserId, string>(entriesMax(authorsMax));
  let month = "";
  return (key) => {
    const named = monthOf(key.at);
    if (named !== month) {
      names.clear();
      month = named;
    }
    const known = names.get(key.userId);
    if (known !== undefined) return known;
    const name = keyIdOf(key, incarnation);
    names.set(key.userId, name);
    return name;
  };
};

/** Characters of an incarnation are four for three of these: two that are the same are not to be expected. */
const incarnationBytes = 9;
/** Kept as a key among the keys; no user id begins like this. */
const incarnationId = "#incarnation";

/** Each answers a loss of keys, so there are few. A name that lasts is looked for in every one. */
const incarnationsMax = 100;

/**
 * What the ids of all keys end with that this store makes: drawn with the store, kept in it and gone with it. So what is
 * sealed after a loss never has the names of what was sealed before, and the two can be brought together again.
 * Oldest first: keys are made under the last one.
 */
export const incarnationsOf = async (keys: Pick<KeyStore, "obtain" | "find">): Promise<Incarnations> => {
  const first = incarnationIn(await keys.obtain(idOf(1)));
  const later: string[] = [];
  while (later.length < incarnationsMax - 1) {
    const kept = await keys.find(idOf(later.length + 2));
    if (kept === undefined) break;
    later.push(incarnationIn(kept));
  }
  return [first, ...later];
};
export type Incarnations = readonly [string, ...string[]];

/** One more, kept in the store: for one that has lost keys of its newest, as one of an old backup has. */
export const withAnother = async (keys: Pick<KeyStore, "obtain">, known: Incarnations): Promise<Incarnations> => [
  ...known,
  // Beyond the bound each start takes names of its own.
  known.length < incarnationsMax
    ? incarnationIn(await keys.obtain(idOf(known.length + 1)))
    : randomBytes(incarnationBytes).toString("base64url"),
];

const idOf = (count: number): string => (count === 1 ? incarnationId : `${incarnationId}/${count}`);
const incarnationIn = (key: Buffer): string => key.subarray(0, incarnationBytes).toString("base64url");

type NamedKey = { readonly id: string; readonly key: Buffer };

/**
 * The incarnations of two stores that become one, oldest first: those that come (`coming`), then the own ones; each once.
 * Marks of losses are kept. @returns what is to be taken away from the own, and what is to be put in its place
 */
export const mergedIncarnations = (
  coming: readonly NamedKey[],
  own: readonly NamedKey[],
): { readonly away: readonly string[]; readonly keys: readonly NamedKey[] } => {
  const listed = (keys: readonly NamedKey[]): readonly Buffer[] =>
    keys
      .filter(({ id }) => placeOf(id) !== undefined)
      .sort((a, b) => (placeOf(a.id) ?? 0) - (placeOf(b.id) ?? 0))
      .map(({ key }) => key);
  const [theirs, ours] = [listed(coming), listed(own)];
  const all = [...theirs.filter((key) => !ours.some((known) => known.equals(key))), ...ours];
  const isKnown = (id: string): boolean => own.some((known) => known.id === id);
  const marks = coming.filter(({ id }) => placeOf(id) === undefined && !isKnown(id));
  // An order that is kept already stays as it is.
  if (all.length === ours.length) return { away: [], keys: marks };
  return {
    away: own.filter(({ id }) => placeOf(id) !== undefined).map(({ id }) => id),
    keys: [...all.slice(-incarnationsMax).map((key, i) => ({ id: idOf(i + 1), key })), ...marks],
  };
};

const placeOf = (id: string): number | undefined => {
  if (id === incarnationId) return 1;
  const place = id.startsWith(`${incarnationId}/`) ? Number(id.slice(incarnationId.length + 1)) : NaN;
  return Number.isInteger(place) ? place : undefined;
};
