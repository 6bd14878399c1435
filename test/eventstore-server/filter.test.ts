/** What an expression of a client may take of the process; with limits that do not depend on the machine's speed. */
import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { asPosition, firstRevision, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { filterOf } from "../../src/eventstore-server/filter.js";
import { streams } from "../../src/eventstore-server/proto.js";

const { FilterOptions } = streams.ReadReq.Options;

const byType = (regex: string) =>
  new FilterOptions().setEventType(new FilterOptions.Expression().setRegex(regex)).setMax(32);
const eventOf = (type: string): RecordedEvent => ({
  ...{ id: "", stream: "a", revision: firstRevision, position: asPosition(1), type },
  ...{ data: "{}", meta: "{}" },
});
const page = ["Sent", "Edited", "Sent"].map(eventOf);

const unlimited = { pageMsMax: 60_000, pageMsAllowed: 60_000, callMsMax: 60_000 };
const refusal = (text: string) =>
  expect.objectContaining({ code: status.INVALID_ARGUMENT, message: expect.stringContaining(text) as string }) as Error;

describe("an expression", () => {
  it("goes through any number of pages while each takes no more than its allowance", () => {
    const { select } = filterOf(byType("^S.*t$"), { ...unlimited, callMsMax: 0 });
    for (let pages = 0; pages < 500; pages++) expect(select(page).map(({ type }) => type)).toEqual(["Sent", "Sent"]);
  });

  it("ends the call when one page takes too long, and says so", () => {
    const { select } = filterOf(byType("^(a+)+$"));
    const wild = [eventOf(`${"a".repeat(60)}b`)];
    expect(() => select(wild)).toThrow(refusal("too slow: it took more than 25 ms for one page"));
  });

  it("ends the call when its pages together take too long, however little each does", () => {
    const { select } = filterOf(byType("^S.*t$"), { ...unlimited, pageMsAllowed: 0, callMsMax: 20 });
    const untilRefused = (): void => {
      for (;;) select(page);
    };
    expect(untilRefused).toThrow(refusal("too slow: it took 20 ms more than 0 ms for each page"));
  });

  it("that cannot be read is refused before anything is read", () => {
    expect(() => filterOf(byType("("))).toThrow(refusal("cannot be read"));
  });
});
