import type { TextCipher } from "../../commands/ports.js";
import { reasonOf } from "../../lib/errors.js";
import { createTextCipher } from "./aead.js";
import { loadSodiumNative } from "./sodium-native.js";
import { loadSodiumWasm } from "./sodium-wasm.js";

/** `auto`: native where it loads, else WASM. */
export type SodiumChoice = "auto" | "wasm";

/** `by`: which build is at work; `whyNotNative`: what kept the other from loading. */
export type OpenedTextCipher = {
  readonly cipher: TextCipher;
  readonly by: "sodium-native" | "libsodium-wrappers (WASM)";
  readonly whyNotNative?: string;
};

/**
 * libsodium, as far as this machine has it. Both builds read and write the same. A process opens it once, at its start:
 * WASM is compiled in the background, and nothing seals or opens before.
 */
export const openTextCipher = async (
  choice: SodiumChoice = "auto",
  loadNative: typeof loadSodiumNative = loadSodiumNative,
): Promise<OpenedTextCipher> => {
  if (choice === "wasm") return openWasm("PARLEY_SODIUM is wasm");
  try {
    return { cipher: createTextCipher(loadNative()), by: "sodium-native" };
  } catch (error) {
    // Of a binary that is there, what is wrong with it stands in the cause.
    const reason = reasonOf(error instanceof Error ? (error.cause ?? error) : error);
    return openWasm(`sodium-native does not load: ${reason}`);
  }
};

const openWasm = async (whyNotNative: string): Promise<OpenedTextCipher> => ({
  cipher: createTextCipher(await loadSodiumWasm()),
  by: "libsodium-wrappers (WASM)",
  whyNotNative,
});
