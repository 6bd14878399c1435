import { expect, it } from "vitest";
import { createReadQueue } from "../../../../src/infra/event-log/sqlite/read-queue.js";
import type { ReadRequest } from "../../../../src/infra/event-log/sqlite/wire.js";
import { firstRevision } from "../../../../src/domain/kernel/stream.js";

/** A thread that has not looked yet: what it was sent, by the stream's name. */
const setUp = () => {
  const sent: string[] = [];
  const queue = createReadQueue((message) => {
    if (message.kind === "read" && "stream" in message.request) sent.push(message.request.stream);
  });
  const request = (stream: string): ReadRequest => ({ stream, from: firstRevision, count: 1, direction: "forwards" });
  return {
    sent,
    queue,
    first: (name: string) => queue.first(request(name)),
    inBackground: (name: string) => queue.inBackground(request(name)),
  };
};

it("sends a command's read before those that can wait, but for the few that were sent already", async () => {
  const { sent, queue, first, inBackground } = setUp();
  const answered: string[] = [];
  const done = Promise.all([
    ...Array.from({ length: 20 }, (_, index) => inBackground(`p${index}`).then(() => answered.push(`p${index}`))),
    first("command").then(() => answered.push("command")),
  ]);
  expect(sent).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "command"]);
  for (let index = 0; index < 21; index += 1) queue.settle([]);
  await done;
  expect(answered).toEqual(sent);
  expect(sent.slice(9)).toEqual(Array.from({ length: 12 }, (_, index) => `p${index + 8}`));
});

it("has places for commands when all others are taken, and for the others when all of those are", async () => {
  const { queue, first, inBackground } = setUp();
  const refused: string[] = [];
  const ask = (read: typeof first, count: number, name: string) =>
    Array.from({ length: count }, () => read(name).catch(() => refused.push(name)));
  const background = ask(inBackground, 1_009, "background");
  const commands = ask(first, 1_001, "command");
  await Promise.resolve();
  expect(refused.toSorted()).toEqual(["background", "command"]);
  for (let index = 0; index < 2_008; index += 1) queue.settle([]);
  await Promise.all([...background, ...commands]);
  expect(refused).toHaveLength(2);
});

it("rejects what was sent, what waits and what comes later once the log has ended", async () => {
  const { queue, first, inBackground } = setUp();
  const reads = [first("command"), ...Array.from({ length: 10 }, () => inBackground("background"))];
  const error = new Error("closed");
  queue.fail(error);
  const ended = await Promise.allSettled([...reads, first("late"), inBackground("late")]);
  expect(ended).toEqual(Array.from({ length: 13 }, () => ({ status: "rejected", reason: error })));
});
