/** The data of an event that carries content, as far as it is the content's. */
type SealedMessage = {
  readonly messageId: string;
  readonly content: { readonly alg: "A256GCM" | "none"; readonly keyId: string; readonly data: string };
};

/** Whatever event carries content: new types of events need no line here. */
export const isSealedMessage = (data: unknown): data is SealedMessage => {
  const { messageId, content } = (data ?? {}) as { messageId?: unknown; content?: Record<string, unknown> };
  if (typeof messageId !== "string" || typeof content !== "object") return false;
  const { alg, keyId, data: sealed } = content;
  return (alg === "A256GCM" || alg === "none") && typeof keyId === "string" && typeof sealed === "string";
};
