import { expect, it } from "vitest";
import { createPlaintexts } from "../../../src/commands/sealing/plaintexts.js";

it("texts are taken once, and those that nobody takes leave in the order in which they came", () => {
  const texts = createPlaintexts();
  const mebibyte = "x".repeat(1024 * 1024);
  for (let n = 0; n < 17; n += 1) texts.keep(`nonce ${n}`, mebibyte);
  expect([0, 1, 2].map((n) => texts.take(`nonce ${n}`) === mebibyte)).toEqual([false, false, true]);
  expect([2, 16, 16].map((n) => texts.take(`nonce ${n}`) === mebibyte)).toEqual([false, true, false]);
});
