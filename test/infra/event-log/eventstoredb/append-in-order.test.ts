import { expect, it } from "vitest";
import type { ClientInternals } from "../../../../src/infra/event-log/eventstoredb/client.js";
import { openOrderedAppends } from "../../../../src/infra/event-log/eventstoredb/append-in-order.js";
import { settled } from "../../../kit/turns.js";

it("a leader that is away before the first append is that append's to say, and ends no process", async () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", listen);
  try {
    const atLeader = (): Promise<never> => Promise.reject(new Error("nobody leads"));
    // Nothing is asked of the client where no node leads.
    const appends = openOrderedAppends({ internals: {} as ClientInternals, target: "t", timeoutMs: 60_000, atLeader });
    const event = { id: crypto.randomUUID(), type: "t", data: "{}", meta: "{}" };
    // Node tells of rejections that nobody heard before its next turn.
    await settled();
    await expect(appends.append("user-a", "no_stream", [event])).rejects.toThrow("nobody leads");
    appends.close();
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", listen);
  }
});
