import { expect, it } from "vitest";
import { counted } from "../../../src/operate/doctor/check.js";

it("says one key, and no or two keys", () => {
  expect([0, 1, 2].map((count) => counted(count, "key"))).toEqual(["0 keys", "1 key", "2 keys"]);
});
