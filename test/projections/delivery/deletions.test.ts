import { expect, it } from "vitest";
import { deletionsAfter } from "../../../src/projections/delivery/deletions.js";
import type { EventSource } from "../../../src/projections/ports/event-source.js";
import { asRevision } from "../../../src/domain/kernel/stream.js";

it("a read that failed is no answer: the next call asks the log again, however soon it comes", async () => {
  let reads = 0;
  const readStream: EventSource["readStream"] = () => {
    reads += 1;
    return reads === 2 ? Promise.reject(new Error("away")) : Promise.resolve([]);
  };
  const deletedAfter = deletionsAfter({ readStream }, "d_1");
  await deletedAfter(asRevision(1));
  // What was read a moment ago is not read again, but for what lies beyond it.
  await deletedAfter(asRevision(1));
  expect(reads).toBe(1);
  await expect(deletedAfter(asRevision(2))).rejects.toThrow("away");
  await deletedAfter(asRevision(2));
  expect(reads).toBe(3);
});
