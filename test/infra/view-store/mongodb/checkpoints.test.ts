import { describe, expect, it } from "vitest";
import { LogError } from "../../../../src/commands/ports.js";
import { refuseViewsAhead } from "../../../../src/infra/view-store/mongodb/checkpoints.js";
import type { Checkpoint } from "../../../../src/projections/ports/view-store.js";
import { asPosition, type Position } from "../../../../src/domain/kernel/stream.js";

const at = (position: number): Checkpoint => ({ position: asPosition(position), epoch: "e" });

/** What was asked, in order, and what came of it. */
const opened = async (given: {
  readonly views?: readonly (Checkpoint | undefined)[];
  readonly delivery?: readonly (Checkpoint | undefined)[];
  readonly head: () => Promise<Position>;
  readonly end?: () => Promise<Position>;
}) => {
  const asked: string[] = [];
  const noting =
    <A>(what: string, ask: () => Promise<A>) =>
    (): Promise<A> => {
      asked.push(what);
      return ask();
    };
  const { views = [], delivery = [], head, end = head } = given;
  const checkpoints = {
    views: { load: noting("checkpoints", () => Promise.resolve(views)) },
    delivery: { load: noting("checkpoints", () => Promise.resolve(delivery)) },
  };
  const log = { head: noting("head", head), end: noting("end", end) };
  const refusal = await refuseViewsAhead("parley", checkpoints, log).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { asked, refusal };
};
const is = (position: number) => () => Promise.resolve(asPosition(position));

describe("views whose checkpoint is beyond the log's end", () => {
  it.each([
    ["views", { views: [at(40), at(100), undefined] }],
    ["delivery", { views: [at(40)], delivery: [at(100)] }],
  ])(
    "are refused, of one partition already, with the way out, which spares the keys: %s",
    async (name, checkpoints) => {
      const { refusal } = await opened({ ...checkpoints, head: is(40) });
      expect(refusal).toMatchObject({ code: "VIEWS_UNUSABLE" });
      const said = (refusal as Error).message;
      for (const part of [`checkpoint of ${name}`, "at 100", "end at 40", "mongosh", "Do not drop the whole database"])
        expect(said).toContain(part);
    },
  );

  it("are not those that nobody has begun, that are behind, or that are at the head, which is read after them", async () => {
    for (const views of [[], [undefined], [at(7), undefined], [at(39), at(40)]]) {
      const { asked, refusal } = await opened({ views, head: is(40) });
      expect([refusal, asked]).toEqual([undefined, ["checkpoints", "checkpoints", "head"]]);
    }
  });

  it("are not those that only a follower of the leader has not come to", async () => {
    const { asked, refusal } = await opened({ views: [at(100)], head: is(40), end: is(100) });
    expect([refusal, asked.slice(2)]).toEqual([undefined, ["head", "end"]]);
  });

  it.each(["head", "end"] as const)("are not told from others while the log does not say its %s", async (missing) => {
    const away = new LogError("UNAVAILABLE", "away");
    const { refusal } = await opened({ views: [at(100)], head: is(40), [missing]: () => Promise.reject(away) });
    expect(refusal).toBe(away);
  });
});
