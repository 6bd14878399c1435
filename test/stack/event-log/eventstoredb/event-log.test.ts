import { describe, expect, it } from "vitest";
import { openEventStoreDb } from "../../../../src/infra/event-log/eventstoredb/event-log.js";
import { appended, collect, eventLogContract, newEvents, newStream } from "../../../contract/event-log.contract.js";
import { engine } from "../../../kit/engines.js";

const url = engine("PARLEY_EVENTSTORE_URL");

describe.skipIf(url === undefined)("EventStoreDB", () => {
  const open = () => openEventStoreDb({ url: url ?? "" });

  eventLogContract(
    "EventStoreDB",
    async () => {
      let log = open();
      await log.head();
      const reopen = async () => {
        await log.close();
        return (log = open());
      };
      return { log, reopen, close: () => log.close() };
    },
    { place: "remote" },
  );

  it("answers a ping, and says that it is connected", async () => {
    const log = open();
    expect(log.connected()).toBe(false);
    await log.ping();
    expect(log.connected()).toBe(true);
    await log.close();
    await expect(log.append(newStream(), "no_stream", newEvents(1))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("follows from the head on: at first some event that comes later, then every one", async () => {
    const log = open();
    const live = collect(log, "head");
    const written: number[] = [];
    while (live.events.length === 0) {
      const stream = newStream();
      written.push((await appended(log.append(stream, "no_stream", newEvents(1)))).position);
    }
    for (let i = 0; i < 20; i++)
      written.push((await appended(log.append(newStream(), "no_stream", newEvents(1)))).position);
    const first = written.indexOf(live.events[0]?.position ?? -1);
    expect(first).toBeGreaterThanOrEqual(0);
    await live.until(written.length - first);
    expect(live.events.map(({ position }) => position)).toEqual(written.slice(first));
    await log.close();
  });
});
