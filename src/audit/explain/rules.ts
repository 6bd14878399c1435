/** What can be explained, and the rule behind each value, in words: docs/DESIGN.md §4 has them in full. */
export const explained = ["unread", "inbox", "receipt", "delivery"] as const;
export type Explained = (typeof explained)[number];

export const rules: Readonly<Record<Explained, string>> = {
  unread:
    "unread = the last message that they may see − max(what they have read, the start of their membership − 1) − their own after it − others' deleted after it. It is computed when it is asked for: nothing counts it up or down.",
  inbox:
    "the inbox has the conversations in which they are a member now: pinned first, by rank, then by the time of the newest message, or of the start where there is none. The newest message shown is the newest that they may see.",
  receipt:
    "a message counts as received (read) by each member of when it was sent, but its sender, whose cursor stands at it or beyond. Reading implies having received. What is read in private counts as received alone. Joining counts as neither.",
  delivery:
    "a message goes live to the connected devices of those who are members when it is sent; a device that was not connected gets it by its next sync, if its user may see it: visibleFrom ≤ sequence < leftAt in one of their memberships, and it was not deleted by then.",
};
