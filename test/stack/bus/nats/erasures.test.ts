import { afterEach, describe, expect, it, vi } from "vitest";
import { hearErasures, tellErasure } from "../../../../src/infra/bus/nats/erasures.js";
import { subjectsOf } from "../../../../src/infra/bus/nats/subjects.js";
import { engine } from "../../../kit/engines.js";
import { createCell, createClosing } from "./bus-kit.js";

const url = engine("PARLEY_NATS_URL");
const closing = createClosing();
afterEach(closing.all);

describe.skipIf(url === undefined)("an erasure that is told over NATS", () => {
  const start = (cell: ReturnType<typeof createCell>) => {
    const hearer = async (processId: string) => {
      const heard: string[] = [];
      let missed = 0;
      const nats = cell.open(processId);
      const stop = hearErasures({
        ...{ nats, cell: cell.cell, processId, onProblem: (error) => heard.push(error.message) },
        onErased: (userId) => heard.push(userId),
        onMissed: () => (missed += 1),
      });
      closing.after(stop);
      const connection = await nats.connection;
      await connection.flush();
      return { heard, connection, stop, missed: () => missed };
    };
    const tell = async (userId: string) =>
      tellErasure(await cell.open("operator").connection, { cell: cell.cell, userId, answersMs: 500 });
    return { hearer, tell };
  };

  it("comes to every process of the cell, and each says when it has forgotten", async () => {
    const cell = createCell(url ?? "", closing);
    const { hearer, tell } = start(cell);
    const [one, two] = [await hearer("one"), await hearer("two")];
    const stranger = await start(createCell(url ?? "", closing)).hearer("stranger");
    expect((await tell("alice")).toSorted()).toEqual(["one", "two"]);
    two.stop();
    expect(await tell("bob")).toEqual(["one"]);
    expect([one.heard, two.heard, stranger.heard]).toEqual([["alice", "bob"], ["alice"], []]);
  });

  it("is no end of hearing where a message cannot be read, and a process that was cut off is told that it may have missed some", async () => {
    const cell = createCell(url ?? "", closing);
    const { hearer, tell } = start(cell);
    const one = await hearer("one");
    one.connection.publish(subjectsOf(cell.cell).erased, "nonsense");
    expect(await tell("alice")).toEqual(["one"]);
    expect(one.heard).toEqual([expect.stringContaining("it cannot be read"), "alice"]);
    await one.connection.reconnect();
    await vi.waitFor(() => {
      expect(one.missed()).toBe(1);
    });
    expect(await tell("bob")).toEqual(["one"]);
  });
});
