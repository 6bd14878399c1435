/** What every adapter of `TextCipher` does. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { TextCipher } from "../../src/commands/ports.js";
import { withSeed } from "../kit/seed.js";

const bytesOf = (hex: string): Buffer => Buffer.from(hex, "hex");
const overheadBytes = 24 + 16;
const key = randomBytes(32);

/** Of any size that a message may have: short ones mostly, some beyond what is kept in memory. */
export const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .tuple(fc.constantFrom("x", "é", "☃", "👩‍👩‍👧"), fc.integer({ min: 0, max: 22_000 }))
    .map(([unit, n]) => unit.repeat(n)),
);
/** Ids, and what is made of them. */
export const contexts = fc.string({ unit: "grapheme-ascii", maxLength: 600 });

export const textCipherContract = (open: () => Promise<TextCipher>): void => {
  it("opens what it sealed: any text in any context, as it was", async () => {
    const cipher = await open();
    fc.assert(
      fc.property(texts, contexts, (text, context) => {
        const data = cipher.seal(key, context, text);
        expect(Buffer.from(data, "base64")).toHaveLength(overheadBytes + Buffer.byteLength(text));
        expect(cipher.open(key, context, data)).toBe(text);
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("opens the example of the algorithm's draft (draft-irtf-cfrg-xchacha-03, A.3.1)", async () => {
    const cipher = await open();
    const data = bytesOf(
      "404142434445464748494a4b4c4d4e4f5051525354555657" +
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216" +
        "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e" +
        "c0875924c1c7987947deafd8780acf49",
    );
    const exampleKey = bytesOf("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const context = bytesOf("50515253c0c1c2c3c4c5c6c7").toString("latin1");
    expect(cipher.open(exampleKey, context, data.toString("base64"))).toBe(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
  });

  it("refuses what was changed anywhere: nonce, text, tag, context or key; and goes on", async () => {
    const cipher = await open();
    fc.assert(
      fc.property(texts, contexts, fc.nat(), fc.integer({ min: 1, max: 255 }), (text, context, at, by) => {
        const data = cipher.seal(key, context, text);
        const bytes = Buffer.from(data, "base64");
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ by;
        expect(() => cipher.open(key, context, bytes.toString("base64"))).toThrow();
        expect(() => cipher.open(key, `${context}x`, data)).toThrow();
        expect(() => cipher.open(randomBytes(32), context, data)).toThrow();
        expect(cipher.open(key, context, data)).toBe(text);
      }),
      withSeed({ numRuns: 50 }),
    );
  });

  it("refuses what is too short to be a sealed text, and keys of another length", async () => {
    const cipher = await open();
    const data = cipher.seal(key, "c", "");
    const bytes = Buffer.from(data, "base64");
    for (let length = 0; length < overheadBytes; length += 1)
      expect(() => cipher.open(key, "c", bytes.subarray(0, length).toString("base64"))).toThrow();
    for (const other of [Buffer.alloc(0), key.subarray(1), Buffer.concat([key, key])]) {
      expect(() => cipher.seal(other, "c", "text")).toThrow();
      expect(() => cipher.open(other, "c", data)).toThrow();
    }
    expect(cipher.open(key, "c", data)).toBe("");
  });

  it("never takes a nonce twice, not even behind a failure", async () => {
    const cipher = await open();
    const nonces = new Set<string>();
    const count = 2_000;
    for (let n = 0; n < count; n += 1) {
      if (n % 5 === 0) expect(() => cipher.seal(key.subarray(1), "c", "text")).toThrow();
      nonces.add(cipher.seal(key, "c", "text").slice(0, 32));
    }
    expect(nonces.size).toBe(count);
    // Nor bytes of another: the last of one are not the first of the next.
    const halves = [...nonces].flatMap((nonce) => [nonce.slice(0, 16), nonce.slice(16)]);
    expect(new Set(halves).size).toBe(2 * count);
  });
};
