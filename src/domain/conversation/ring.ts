import type { IdWords } from "./id-words.js";

/**
 * Numbers of a row of messages, each at a place of its own, found by their ids: chains of places by the first word of the
 * id, a digest already. No object is kept for a message, so that to remember one leaves the collector nothing to move or
 * to free. The places are used round about; `recent.ts` says which are. Changed in place.
 */
export type Ring = {
  /** A power of two. */
  readonly places: number;
  /** Three a place: sequence, revision, time. */
  readonly numbers: Float64Array;
  /** Four words a place: the id's; of an id that is no UUID its number among the names, and zeros. */
  readonly ids: Int32Array;
  /** Two a place: the sender's number among the names, the kind. */
  readonly small: Int16Array;
  /** Two a place: the next place in its chain, and where the chain begins that has this place's number. */
  readonly chains: Int16Array;
};

const bytesPerPlace = 3 * 8 + 4 * 4 + 2 * 2 + 2 * 2;
const nowhere = -1;

/** @param places a power of two, or 0; at most 32,768 */
export const ringOf = (places: number): Ring => {
  const ring = ringOn(new ArrayBuffer(places * bytesPerPlace), places);
  ring.chains.fill(nowhere);
  return ring;
};

/** One buffer for all: what a buffer costs beside its bytes would be most of what a short conversation takes. */
const ringOn = (buffer: ArrayBuffer, places: number): Ring => {
  const numbers = new Float64Array(buffer, 0, places * 3);
  const ids = new Int32Array(buffer, places * 24, places * 4);
  const small = new Int16Array(buffer, places * 40, places * 2);
  return { places, numbers, ids, small, chains: new Int16Array(buffer, places * 44, places * 2) };
};

export const copyOfRing = ({ places, numbers }: Ring): Ring => ringOn((numbers.buffer as ArrayBuffer).slice(0), places);

/** The bytes of its buffer. */
export const ringBytes = ({ places }: Ring): number => places * bytesPerPlace;

/** A ring that is full, with its oldest at place 0 and room behind the newest. */
export const grownRing = (full: Ring, oldest: number, places: number): Ring => {
  const ring = ringOf(places);
  const copy = (to: Float64Array | Int32Array | Int16Array, from: typeof to, perPlace: number): void => {
    to.set(from.subarray(oldest * perPlace));
    to.set(from.subarray(0, oldest * perPlace), (full.places - oldest) * perPlace);
  };
  copy(ring.numbers, full.numbers, 3);
  copy(ring.ids, full.ids, 4);
  copy(ring.small, full.small, 2);
  for (let place = 0; place < full.places; place += 1) link(ring, place);
  return ring;
};

/** Puts what stands at the place in front of its chain. */
export const link = (ring: Ring, place: number): void => {
  const { chains } = ring;
  const begin = beginOf(ring, ring.ids[place * 4] ?? 0);
  chains[place * 2] = chains[begin] ?? nowhere;
  chains[begin] = place;
};

/** Takes the oldest out of its chain, which it ends: whatever was linked later stands before it. */
export const unlinkOldest = (ring: Ring, place: number): void => {
  const { chains } = ring;
  let from = beginOf(ring, ring.ids[place * 4] ?? 0);
  for (let at = chains[from] ?? nowhere; at >= 0 && at !== place; at = chains[from] ?? nowhere) from = at * 2;
  chains[from] = nowhere;
};

/** The place of the message with that id; negative where there is none. */
export const placeOf = (ring: Ring, { isUuid, first, second, third, last }: IdWords): number => {
  const { places, ids, small, chains } = ring;
  if (places === 0) return nowhere;
  for (let at = chains[beginOf(ring, first)] ?? nowhere; at >= 0; at = chains[at * 2] ?? nowhere) {
    const id = at * 4;
    const isSame = ids[id] === first && ids[id + 1] === second && ids[id + 2] === third && ids[id + 3] === last;
    if (isSame && isUuidIn(small[at * 2 + 1] ?? 0) === isUuid) return at;
  }
  return nowhere;
};

/** Where in `chains` the chain of that word begins. */
const beginOf = ({ places }: Ring, word: number): number => (word & (places - 1)) * 2 + 1;

/** The kind of a message's content, and whether its id is a UUID, as one number. */
export const kindOf = (contentType: number, isUuid: boolean): number => contentType * 2 + (isUuid ? 1 : 0);
export const contentTypeIn = (kind: number): number => kind >> 1;
export const isUuidIn = (kind: number): boolean => (kind & 1) === 1;
