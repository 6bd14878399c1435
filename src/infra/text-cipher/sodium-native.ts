import { createRequire } from "node:module";
import type * as Sodium from "sodium-native";
import type { Aead } from "./aead.js";

/** `import` would look through its 3,000 lines for names first, which takes 30 ms and 2.5 MB. */
const require = createRequire(import.meta.url);

/** @throws where the package has no binary for this machine, or its binary does not load */
export const loadSodiumNative = (): Aead => {
  const sodium = require("sodium-native") as typeof Sodium;
  return {
    encrypt: (sealed, plain, context, nonce, key) => {
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plain, context, null, nonce, key);
    },
    decrypt: (plain, sealed, context, nonce, key) => {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, null, sealed, context, nonce, key);
    },
  };
};
