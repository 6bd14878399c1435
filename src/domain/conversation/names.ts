/**
 * Names by small numbers, so that what is remembered of many things keeps a number for each; a name goes when nothing uses
 * it any more, and its number is given again. Changed in place.
 */
export type Names = {
  readonly numbers: Map<string, number>;
  readonly byNumber: string[];
  readonly uses: number[];
  readonly free: number[];
};

export const noNames = (): Names => ({ numbers: new Map(), byNumber: [], uses: [], free: [] });

/** The name's number, which it has until it was let go as often as it was taken. */
export const takeName = ({ numbers, byNumber, uses, free }: Names, name: string): number => {
  const known = numbers.get(name);
  if (known !== undefined) {
    uses[known] = (uses[known] ?? 0) + 1;
    return known;
  }
  const number = free.pop() ?? byNumber.length;
  numbers.set(name, number);
  byNumber[number] = name;
  uses[number] = 1;
  return number;
};

export const letNameGo = ({ numbers, byNumber, uses, free }: Names, number: number): void => {
  const left = (uses[number] ?? 0) - 1;
  uses[number] = left;
  if (left > 0) return;
  numbers.delete(byNumber[number] ?? "");
  byNumber[number] = "";
  free.push(number);
};
