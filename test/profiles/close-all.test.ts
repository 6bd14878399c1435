import { expect, it } from "vitest";
import { closeAll, closedAfter, type Closers } from "../../src/profiles/close-all.js";

const kit = () => {
  const closed: string[] = [];
  const closer = (name: string, error?: Error) => async () => {
    await Promise.resolve();
    closed.push(name);
    if (error !== undefined) throw error;
  };
  return { closed, closer };
};

it("closes the last first, and all of them whatever fails, at once or later", async () => {
  const { closed, closer } = kit();
  const atOnce = () => {
    closed.push("views");
    throw new Error("views: at once");
  };
  const closers: Closers = [closer("log"), closer("keys", new Error("keys: later")), atOnce, closer("gateway")];
  const failed = await closeAll(closers).catch((error: unknown) => error);
  expect(closed).toEqual(["gateway", "views", "keys", "log"]);
  expect(failed).toBeInstanceOf(AggregateError);
  expect(failed).toMatchObject({
    message: "views: at once; keys: later",
    errors: [{ message: "views: at once" }, { message: "keys: later" }],
  });
  // Closed once: a second end finds nothing.
  await closeAll(closers);
  expect(closed).toHaveLength(4);
});

it("one failure is told as it is", async () => {
  const { closer } = kit();
  const error = new Error("the disk is full");
  await expect(closeAll([closer("log", error), closer("keys")])).rejects.toBe(error);
});

it("what kept a part from opening is told first, whatever closing the others comes to", async () => {
  const { closed, closer } = kit();
  const cause = new Error("the port is taken");
  expect(await closedAfter(cause, () => closeAll([closer("log")]))).toBe(cause);
  const closers = [closer("log", new Error("log: busy")), closer("keys", new Error("keys: gone"))];
  const told = await closedAfter(cause, () => closeAll(closers));
  expect(told).toMatchObject({ message: "the port is taken; keys: gone; log: busy", cause });
  expect(closed).toEqual(["log", "keys", "log"]);
});
