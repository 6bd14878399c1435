/** Both builds of libsodium: each by the contract, and each reads what the other sealed. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTextCipher } from "../../../src/infra/text-cipher/aead.js";
import { openTextCipher } from "../../../src/infra/text-cipher/open.js";
import { withSeed } from "../../kit/seed.js";
import { contexts, textCipherContract, texts } from "../../contract/text-cipher.contract.js";

const native = await openTextCipher();
const wasm = await openTextCipher("wasm");

describe("a text cipher by sodium-native", () => {
  textCipherContract(() => Promise.resolve(native.cipher));
});
describe("a text cipher by libsodium-wrappers", () => {
  textCipherContract(() => Promise.resolve(wasm.cipher));
});

it("each build reads what the other sealed", () => {
  const key = randomBytes(32);
  fc.assert(
    fc.property(texts, contexts, (text, context) => {
      const [one, other] = [native.cipher, wasm.cipher].map((cipher) => cipher.seal(key, context, text));
      expect(wasm.cipher.open(key, context, one ?? "")).toBe(text);
      expect(native.cipher.open(key, context, other ?? "")).toBe(text);
    }),
    withSeed({ numRuns: 100 }),
  );
});

it("the native build is taken where it loads, the other where it does not or is asked for, with the reason", async () => {
  expect(native.by).toBe("sodium-native");
  expect(native).not.toHaveProperty("whyNotNative");
  expect(wasm).toMatchObject({ by: "libsodium-wrappers (WASM)", whyNotNative: "PARLEY_SODIUM is wasm" });
  const key = randomBytes(32);
  const sealed = native.cipher.seal(key, "c", "text");
  for (const [error, reason] of [
    [new Error("Cannot find addon '.'\nCandidates:\n- /here"), "Cannot find addon '.'"],
    [new Error("Cannot load addon", { cause: new Error("`GLIBC_2.33' not found") }), "`GLIBC_2.33' not found"],
  ] as const) {
    const fallback = await openTextCipher("auto", () => {
      throw error;
    });
    const whyNotNative = `sodium-native does not load: ${reason}`;
    expect(fallback).toMatchObject({ by: "libsodium-wrappers (WASM)", whyNotNative });
    expect(fallback.cipher.open(key, "c", sealed)).toBe("text");
  }
});

it("no text stays behind in the buffers that are kept", () => {
  const seen = new Set<ArrayBufferLike>();
  const cipher = createTextCipher({
    encrypt: (sealed, plain) => {
      seen.add(plain.buffer);
      sealed.fill(0);
    },
    decrypt: (plain) => {
      plain.write("secret");
    },
  });
  const data = cipher.seal(randomBytes(32), "c", "secret");
  expect(cipher.open(randomBytes(32), "c", data)).toBe("secret");
  expect([...seen].map((buffer) => Buffer.from(buffer).includes("secret"))).toEqual([false]);
});
