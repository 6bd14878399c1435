/** A process that starts waits for an engine that is away, and for nothing that no time mends. */
import { describe, expect, it } from "vitest";
import { LogError } from "../../src/commands/ports.js";
import { hostsOf } from "../../src/infra/engines/address.js";
import { unavailable } from "../../src/infra/event-log/eventstoredb/errors.js";
import { createStartWait, StoppedWhileStarting } from "../../src/profiles/start-wait.js";
import { StoreUnavailable } from "../../src/projections/ports/away.js";

const away = new StoreUnavailable("MongoDB: connect ECONNREFUSED 127.0.0.1:1");
const waitWith = (startWaitSeconds: number) => {
  const said: object[] = [];
  const stopping = new AbortController();
  const wait = createStartWait({
    config: {
      startWaitSeconds,
      eventStoreUrl: "esdb://admin:hidden@events:2113?tls=true",
      mongo: { url: "mongodb://parley:hidden@a:27017,b:27017/?replicaSet=rs0", database: "parley" },
      erasureLedger: { url: "mongodb://parley:hidden@c:27017/", database: "erasures" },
    },
    logger: {
      warn: (fields: unknown) => said.push(fields as object),
      info: (fields: unknown) => said.push(fields as object),
    },
    stop: stopping.signal,
    pauseMs: 1,
    saidEveryMs: 0,
  });
  return {
    wait,
    said,
    stop: () => {
      stopping.abort();
    },
  };
};
/** Fails that often, then answers. */
const workThatFails = (times: number, error: Error = away) => {
  let calls = 0;
  return {
    calls: () => calls,
    work: () => ((calls += 1) <= times ? Promise.reject(error) : Promise.resolve("there")),
  };
};

describe("a process that starts", () => {
  it("asks an engine that is away until it is there, says for what it waits, and no password", async () => {
    const { wait, said } = waitWith(600);
    const { work, calls } = workThatFails(3);
    const seen: object[] = [];
    const answer = await wait.until("mongodb", () => {
      seen.push(wait.problems());
      return work();
    });
    expect([answer, calls()]).toEqual(["there", 4]);
    const named = { engine: "mongodb", variable: "PARLEY_MONGODB_URL", address: "a:27017,b:27017" };
    expect(said).toMatchObject([...Array.from({ length: 3 }, () => ({ ...named, problem: away.message })), named]);
    expect(JSON.stringify(said)).not.toContain("hidden");
    expect(seen).toEqual([{}, ...Array.from({ length: 3 }, () => ({ mongodb: away.message }))]);
    expect(wait.problems()).toEqual({});
  });

  it("does not wait where it is told so, and names the variable", async () => {
    const { work, calls } = workThatFails(1);
    await expect(waitWith(0).wait.until("mongodb", work)).rejects.toThrow(
      /^PARLEY_MONGODB_URL \(a:27017,b:27017\): MongoDB: connect ECONNREFUSED/,
    );
    expect(calls()).toBe(1);
  });

  it.each([
    ["a refused user", unavailable(Object.assign(new Error("no"), { code: 16 }), "events:2113", "no answer")],
    [
      "an unknown authority",
      unavailable(new Error("14 UNAVAILABLE: self-signed certificate"), "events:2113", "no answer"),
    ],
    [
      "a certificate that has expired",
      new StoreUnavailable("MongoDB", { cause: new Error("certificate has expired") }),
    ],
    ["data of somebody else", new Error("the views are of another log")],
  ])("does not wait for %s", async (_, error) => {
    const { work, calls } = workThatFails(1, error);
    await expect(waitWith(600).wait.until("eventstore", work)).rejects.toThrow(
      /^PARLEY_EVENTSTORE_URL \(events:2113\): /,
    );
    expect(calls()).toBe(1);
  });

  it("waits for an append whose outcome nobody knows, as the first one into a log", async () => {
    const { work } = workThatFails(1, new LogError("OUTCOME_UNKNOWN", "no answer"));
    await expect(waitWith(600).wait.until("eventstore", work)).resolves.toBe("there");
  });

  it("ends its wait when it is told to, also while an engine is silent", async () => {
    const { wait, stop } = waitWith(600);
    const silent = wait.until("eventstore", () => new Promise(() => undefined));
    stop();
    await expect(silent).rejects.toThrow(StoppedWhileStarting);
    await expect(wait.until("mongodb", workThatFails(Infinity).work)).rejects.toThrow(StoppedWhileStarting);
  });
});

describe("an address", () => {
  it.each([
    ["esdb://events:2113?tls=false", "events:2113"],
    ["mongodb://u:pa%2Fss@a:1,b:2,c/?replicaSet=rs0", "a:1,b:2,c"],
    ["redis://:secret@redis:6379/0", "redis:6379"],
    ["nats://u:secret@a:4222, nats://u:secret@b:4222", "a:4222, b:4222"],
    ["mongodb://u:not/encoded?@#@a:1/", "a:1"],
  ])("is told without its password: %s", (address, hosts) => {
    expect(hostsOf(address)).toBe(hosts);
  });
});
