/** What is said of a log that is not what its heads sign. */
export type Finding = {
  /** Of the first bad event, or of the first in the span that has it. */
  readonly position: number;
  /** The last of the span; the same where the event itself is known. */
  readonly to: number;
  readonly kind: "event" | "head" | "key" | "order" | "form" | "truncated" | "witness" | "unsigned";
  readonly says: string;
};

export type Place = { readonly size: number; readonly position: number };
