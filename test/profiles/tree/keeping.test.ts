import { expect, it } from "vitest";
import { asPosition } from "../../../src/domain/kernel/stream.js";
import { keepTree } from "../../../src/profiles/tree/keeping.js";

it("a tree that begins anew reads the log again though nothing new comes", { timeout: 5_000 }, async () => {
  const checkpoint = { position: asPosition(7), size: 8, epoch: "e" };
  const head = { size: 8, root: "00", at: 0 } as never;
  const problems: unknown[] = [];
  let reads = 0;
  await new Promise<void>((readAgain) => {
    const kept = keepTree({
      keeper: {
        catchUp: () => {
          reads += 1;
          if (reads === 2) void kept.stop().then(readAgain);
          return Promise.resolve({ checkpoint, isAtEnd: true });
        },
        root: () => Promise.reject(new Error("the tree is damaged and begins anew")),
        hasOthersSince: () => Promise.resolve(false),
      },
      signer: { standing: () => Promise.resolve({ head } as never), sign: () => Promise.resolve(undefined) },
      ...{ headEvents: 1, headSeconds: 1, clock: () => 0, everyMs: 1, onHead: () => undefined },
      mayHaveMore: (known) => known === undefined,
      onProblem: (error) => problems.push(error),
    });
  });
  expect(problems).toHaveLength(1);
});
