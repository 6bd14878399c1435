/** Characters of plaintext kept from sealing to delivery, a matter of milliseconds. */
const plaintextCharsMax = 16 * 1024 * 1024;

/**
 * Texts between sealing and delivery, by nonce. Most are taken within milliseconds, so they die young and cost the
 * collector nothing; what nobody takes (a command that was refused) leaves in the order of arrival.
 */
export const createPlaintexts = () => {
  const texts = new Map<string, string>();
  let chars = 0;
  const take = (nonce: string): string | undefined => {
    const text = texts.get(nonce);
    if (text === undefined) return undefined;
    texts.delete(nonce);
    chars -= text.length;
    return text;
  };
  return {
    take,
    keep: (nonce: string, text: string): void => {
      texts.set(nonce, text);
      chars += text.length;
      for (const oldest of texts.keys()) {
        if (chars <= plaintextCharsMax) break;
        take(oldest);
      }
    },
  };
};
