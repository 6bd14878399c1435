import { expect, it } from "vitest";
import { createMemoryRegistry, type SharedLeases, type SharedUses } from "../../../src/infra/registry/memory.js";
import { keyOf, registryContract } from "../../contract/registry.contract.js";

const leaseMs = 30_000;

registryContract("memory", () => {
  let time = 1_000;
  const shared: SharedLeases = new Map();
  const uses: SharedUses = new Map();
  const gateway = (gatewayId: string) => createMemoryRegistry({ gatewayId, shared, uses, leaseMs, now: () => time });
  return Promise.resolve({
    a: gateway("gateway-a"),
    b: gateway("gateway-b"),
    lapse: () => {
      time += leaseMs;
      return Promise.resolve();
    },
    flush: () => {
      shared.clear();
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
});

it("holds a lease until its end, and nothing of it after the next renewal", async () => {
  let time = 0;
  const shared: SharedLeases = new Map();
  const registry = createMemoryRegistry({ gatewayId: "g", shared, leaseMs, now: () => time });
  await registry.enter(keyOf("alice", "phone", "c1"));
  await registry.enter(keyOf("bob", "phone", "c2"));
  time = leaseMs - 1;
  expect(await registry.devicesOf("alice")).toEqual(["phone"]);
  await registry.renew([keyOf("bob", "phone", "c2")]);
  time = leaseMs;
  expect(await registry.devicesOf("alice")).toEqual([]);
  await registry.renew([keyOf("bob", "phone", "c2")]);
  expect([...shared.keys()]).toEqual(["bob"]);
});
