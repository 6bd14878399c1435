import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tilingOf, type ArchiveRun } from "../../../src/audit/archive/tiling.js";

const run = (after: number, upTo: number, more: Partial<ArchiveRun> = {}): ArchiveRun => ({
  ...{ format: "csv", scope: {}, epoch: "e", at: after, file: `${after}.csv`, sha256: "", records: 0 },
  ...{ after, upTo },
  ...more,
});
/** A log cut into pieces that are not empty. */
const cuts = fc
  .uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 12 })
  .map((ends) => [0, ...ends.toSorted((a, b) => a - b)])
  .map((ends) => ends.slice(1).map((upTo, index) => run(ends[index] ?? 0, upTo)));

describe("runs of an archive", () => {
  it("that meet tile the log in whatever order they were made, and one that is left out is the gap", () => {
    fc.assert(
      fc.property(
        cuts.chain((all) => fc.tuple(fc.shuffledSubarray([...all], { minLength: all.length }), fc.nat())),
        ([all, pick]) => {
          const [series] = tilingOf(all);
          expect(series).toMatchObject({
            beginsAfter: 0,
            upTo: Math.max(...all.map(({ upTo }) => upTo)),
            gaps: [],
            overlaps: [],
          });
          const left = all[pick % all.length];
          const [broken] = tilingOf(all.filter((each) => each !== left));
          const isInside = left !== undefined && left.after !== 0 && left.upTo !== series?.upTo;
          expect(broken?.gaps).toEqual(isInside ? [{ after: left.after, upTo: left.upTo }] : []);
        },
      ),
    );
  });

  it("name what is in two of them, and only name what is the very same again", () => {
    const [series] = tilingOf([run(0, 10), run(7, 20), run(0, 10, { at: 99 })]);
    expect(series).toMatchObject({ gaps: [], overlaps: [{ after: 7, upTo: 10 }], repeated: [{ at: 99 }] });
    expect(tilingOf([run(0, 30), run(5, 9)])[0]).toMatchObject({ upTo: 30, overlaps: [{ after: 5, upTo: 9 }] });
  });

  it("of another format, scope or incarnation of the log are others", () => {
    const others = [run(20, 30, { format: "eml" }), run(20, 30, { scope: { user: "a" } }), run(20, 30, { epoch: "f" })];
    const all = tilingOf([run(0, 10), ...others]);
    expect(all.map(({ beginsAfter, gaps }) => [beginsAfter, gaps])).toEqual(
      [0, 20, 20, 20].map((after) => [after, []]),
    );
  });
});
