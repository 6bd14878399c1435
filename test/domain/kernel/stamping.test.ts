import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { stamping } from "../../../src/domain/kernel/stamping.js";
import { contextOf } from "../../kit/given.js";

const idsOf = (commandId: string): readonly string[] => {
  const stamp = stamping(contextOf("alice", 5, commandId), 0);
  return [stamp().id, stamp().id, stamp().id];
};

it("a command's first event has its id, and each of its events the same id whenever it is decided", () => {
  const commandId = randomUUID();
  const ids = idsOf(commandId);
  expect(ids[0]).toBe(commandId);
  expect(new Set(ids).size).toBe(3);
  expect(idsOf(commandId)).toEqual(ids);
  expect(idsOf(randomUUID()).filter((id) => ids.includes(id))).toEqual([]);
});

it("a command that is called otherwise makes UUIDs, as a log wants them", () => {
  for (const id of idsOf("c-1"))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
