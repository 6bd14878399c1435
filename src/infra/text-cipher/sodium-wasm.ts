import type { Aead } from "./aead.js";

/** The same library for any machine that Node runs on. It works on memory of its own: bytes are copied there and back. */
export const loadSodiumWasm = async (): Promise<Aead> => {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  return {
    encrypt: (sealed, plain, context, nonce, key) => {
      sealed.set(sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, context, null, nonce, key));
    },
    decrypt: (plain, sealed, context, nonce, key) => {
      plain.set(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, context, nonce, key));
    },
  };
};
