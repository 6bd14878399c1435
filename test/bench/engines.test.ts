import { expect, it } from "vitest";
import { tellEngines } from "../../bench/server/engines.js";

const started = {
  PARLEY_EVENTSTORE_URL: "esdb://127.0.0.1:1?tls=false",
  PARLEY_MONGODB_URL: "mongodb://127.0.0.1:2/",
  PARLEY_NATS_URL: "nats://127.0.0.1:3",
  PARLEY_REDIS_URL: "redis://127.0.0.1:4",
};

it("a run on engines says of each whether it is a stand-in, also where one of the set was exchanged", () => {
  expect(tellEngines(started, started)).toBe(
    "a stand-in for EventStoreDB (the embedded log's gRPC port); a stand-in for MongoDB (mongo-java-server); NATS; Redis",
  );
  const exchanged = { ...started, PARLEY_EVENTSTORE_URL: "esdb://admin:hidden@node:2113" };
  expect(tellEngines(exchanged, started, { PARLEY_EVENTSTORE_URL: "23.10.8" })).toBe(
    "an event store at node:2113, which says that it is version 23.10.8; a stand-in for MongoDB (mongo-java-server); NATS; Redis",
  );
  expect(tellEngines(exchanged, {})).not.toMatch(/stand-in|hidden/);
});
