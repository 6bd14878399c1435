import { expect, it } from "vitest";
import { selectionOf, type Bound } from "../../../src/cli/events/selection.js";

it("a selection between whose bounds nothing can be is refused, and one that only the log can judge is not", () => {
  const taken = (from: Bound, to: Bound): unknown => {
    try {
      return selectionOf({ from, to });
    } catch (error) {
      return (error as Error).message;
    }
  };
  const refused = "--from is not before --to: nothing is between them";
  expect(taken({ position: 12 }, { position: 5 })).toBe(refused);
  expect(taken({ position: 5 }, { position: 5 })).toEqual({ from: 5, to: 5 });
  // A time as the end is exclusive.
  expect(taken({ at: 5 }, { at: 5 })).toBe(refused);
  expect(taken({ at: 5 }, { at: 6 })).toEqual({ since: 5, until: 6 });
  expect(taken({ position: 12 }, { at: 5 })).toEqual({ from: 12, until: 5 });
});
