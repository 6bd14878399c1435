import type { MessageId } from "../kernel/ids.js";

/**
 * A message's id as numbers. Of a UUID in lower case, as all ids are that Parley makes, the four words are the whole id;
 * of any other that a log may hold they are nothing, and `isUuid` is false.
 */
export type IdWords = {
  readonly isUuid: boolean;
  /** 32 bits each, signed, so that V8 keeps them without an object. The first are the most significant. */
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly last: number;
};

/** One object for all answers: deciding a message asks for its id several times in a row, and the collector sees none. */
const asked = { id: "", isUuid: false, first: 0, second: 0, third: 0, last: 0 };

/** To be read before the next call: the answer is overwritten then. */
export const wordsOf = (id: MessageId): IdWords => {
  if (id === asked.id) return asked;
  const a = fourDigits(id, 0);
  const b = fourDigits(id, 4);
  const c = fourDigits(id, 9);
  const d = fourDigits(id, 14);
  const e = fourDigits(id, 19);
  const f = fourDigits(id, 24);
  const g = fourDigits(id, 28);
  const h = fourDigits(id, 32);
  asked.id = id;
  asked.isUuid = (a | b | c | d | e | f | g | h) >= 0 && id.length === 36 && hasDashes(id);
  asked.first = asked.isUuid ? (a << 16) | b : 0;
  asked.second = asked.isUuid ? (c << 16) | d : 0;
  asked.third = asked.isUuid ? (e << 16) | f : 0;
  asked.last = asked.isUuid ? (g << 16) | h : 0;
  return asked;
};

/** The UUID of four words. */
export const uuidOf = (first: number, second: number, third: number, last: number): MessageId => {
  const [b, c] = [hex(second), hex(third)];
  return `${hex(first)}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${hex(last)}`;
};

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

const dash = 0x2d;
const hasDashes = (id: string): boolean => [8, 13, 18, 23].every((at) => id.charCodeAt(at) === dash);

/** Negative where one of them is no digit. */
const fourDigits = (id: string, at: number): number =>
  (digit(id, at) << 12) | (digit(id, at + 1) << 8) | (digit(id, at + 2) << 4) | digit(id, at + 3);

const digits = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value += 1) digits[value.toString(16).charCodeAt(0)] = value;
const digit = (id: string, at: number): number => digits[id.charCodeAt(at)] ?? -1;
