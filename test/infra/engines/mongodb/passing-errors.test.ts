import { MongoServerError } from "mongodb";
import { afterEach, describe, expect, it, vi } from "vitest";
import { reachable } from "../../../../src/infra/engines/mongodb/connection.js";
import { untilPassing } from "../../../../src/infra/view-store/mongodb/retry.js";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";

const answered = (code: number, errorLabels: readonly string[] = []): MongoServerError =>
  new MongoServerError({ message: `code ${code}`, code, errorLabels: [...errorLabels] });
const rejectionOf = (error: Error): Promise<unknown> =>
  reachable(() => Promise.reject(error)).catch((reason: unknown) => reason);

describe("what MongoDB answers", () => {
  it.each([134, 402, 406, 407, 412, 462, 133, 202, 365, 24, 371, 11_601, 433, 449, 43, 14_031])(
    "is a moment's by its category: code %i",
    async (code) => {
      expect(await rejectionOf(answered(code))).toBeInstanceOf(StoreUnavailable);
    },
  );

  it("is a moment's by its label, whatever its code", async () => {
    for (const label of ["RetryableWriteError", "RetryableError", "TransientTransactionError", "SystemOverloadedError"])
      expect(await rejectionOf(answered(999_999, [label]))).toBeInstanceOf(StoreUnavailable);
  });

  it("is the request's otherwise, and comes as it is", async () => {
    for (const code of [1, 2, 13, 18, 59, 121, 11_000]) {
      const error = answered(code);
      expect(await rejectionOf(error)).toBe(error);
    }
  });
});

describe("a write that meets others again and again", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([11_000, 112, 365])("is not refused for good: code %i is the caller's to wait for", async (code) => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    let attempts = 0;
    const work = (): Promise<void> => {
      attempts += 1;
      return Promise.reject(answered(code));
    };
    await expect(untilPassing(work, () => undefined)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(attempts).toBe(6);
  });
});
