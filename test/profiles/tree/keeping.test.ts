import { randomUUID } from "node:crypto";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { openTreeKeeper } from "../../../src/audit/tree/keeper.js";
import { createTreeSigner, readTreeStanding } from "../../../src/audit/tree/signer.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";
import { openTreeKeyFile } from "../../../src/infra/tree-keys/file.js";
import { keepTree, NotWhatWasSigned } from "../../../src/profiles/tree/keeping.js";
import { openLogKit } from "../../kit/log.js";
import { appendLeaves, memoryTree } from "../../kit/tree.js";

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

it("a log that is not what its newest head says is not signed any more, and it is said every time", async () => {
  const kit = await openLogKit();
  try {
    const keys = openTreeKeyFile(join(kit.dir, "tree.key"));
    const signer = createTreeSigner({ log: kit.log, keys, clock: Date.now, ids: { uuid: randomUUID } });
    await appendLeaves(kit.log, 5);
    const first = await openTreeKeeper({ source: kit.log, store: memoryTree(), epoch: "e" });
    const { size } = (await first.catchUp()).checkpoint;
    const head = await signer.sign({ size, root: await first.root(size), epoch: "e" });
    await appendLeaves(kit.log, 5);
    const db = new Database(join(kit.dir, "log.db"));
    db.exec("update events set data = replace(data, 'index', 'indey') where position = 2");
    db.close();
    // As after a start whose tree is gone: with the hashes of before it would not even notice.
    const keeper = await openTreeKeeper({ source: kit.log, store: memoryTree(), epoch: "e" });
    const problems: unknown[] = [];
    await new Promise<void>((saidTwice) => {
      const kept = keepTree({
        keeper: { ...keeper, root: async (of) => (await keeper.root(of)).toString("hex") },
        ...{ signer, headEvents: 1, headSeconds: 1, clock: Date.now, everyMs: 1, mayHaveMore: () => true },
        onHead: () => undefined,
        onProblem: (error) => {
          if (problems.push(error) === 2) void kept.stop().then(saidTwice);
        },
      });
    });
    expect(problems[0]).toBeInstanceOf(NotWhatWasSigned);
    expect(String(problems[0])).toContain("parley audit verify says where");
    expect((await readTreeStanding(kit.log)).head).toEqual(head);
  } finally {
    await kit.dispose();
  }
});
