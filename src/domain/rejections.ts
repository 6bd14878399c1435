/** What a command can be refused with. The codes are PROTOCOL §8's; the gateway adds those that only it can give. */
export type RejectionCode =
  | "INVALID_MESSAGE"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "CONVERSATION_NOT_FOUND"
  | "MESSAGE_NOT_FOUND"
  | "USER_NOT_FOUND"
  | "NOT_FOUND"
  | "CONFLICT"
  | "DUPLICATE_MESSAGE"
  | "TOO_LARGE"
  | "UNAVAILABLE";

export type FieldProblem = { readonly field: string; readonly expected: string };

export type Rejection = {
  readonly code: RejectionCode;
  readonly message: string;
  readonly details?: readonly FieldProblem[];
  /** Seconds. */
  readonly retryAfter?: number;
};

export const reject = (code: RejectionCode, message: string, details?: readonly FieldProblem[]): Rejection =>
  details === undefined ? { code, message } : { code, message, details };

export const conversationNotFound: Rejection = reject(
  "CONVERSATION_NOT_FOUND",
  "There is no such conversation among yours.",
);

/** For everything but reading what was visible to them. */
export const formerMember: Rejection = reject("FORBIDDEN", "You are no longer a member of this conversation.");

export const messageNotFound: Rejection = reject("MESSAGE_NOT_FOUND", "There is no such message in this conversation.");
