/**
 * One thing that was looked at. `wrong`: Parley does not run, or not safely; `warning`: it runs, but the operator
 * should know. `mend` says what to do about it.
 */
export type Check = {
  readonly name: string;
  readonly state: "ok" | "warning" | "wrong";
  readonly says: string;
  readonly mend?: string;
};

/** 1 key, 2 keys. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
