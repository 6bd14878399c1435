import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beginEpoch } from "../../../src/commands/epoch.js";
import { eraseUserIn } from "../../../src/commands/erase.js";
import { setHoldIn } from "../../../src/commands/holds.js";
import type { ByOperator } from "../../../src/domain/kernel/by.js";
import { firstRevision, streamOf } from "../../../src/domain/kernel/stream.js";
import { erasingIn } from "../../../src/profiles/erasure/embedded.js";
import { eraseUser, reapplyErasures, type Erased, type ErasingWith } from "../../../src/profiles/erasure/erase.js";
import { contextOf } from "../../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../../kit/log.js";

const by: ByOperator = { kind: "operator", userId: "root" };
const erasure = { userId: "alice", reason: "Art. 17", by };
const theirs = ["alice/2026-01/i", "alice/2026-02/i", "alice/profile/i"];
const ids = { uuid: randomUUID };

let kit: LogKit;
let erasing: ErasingWith;
beforeEach(async () => {
  kit = await openLogKit();
  for (const userId of ["alice", "bob"]) await commandsOn(kit).registerDevice({}, contextOf(userId));
  await Promise.all([...theirs, "bob/2026-01/i"].map((id) => kit.keys.obtain(id)));
  const append = eraseUserIn(kit.log, Date.now, ids);
  erasing = erasingIn(kit.dir, { treeKey: join(kit.dir, "tree.key") }, { log: kit.log, keys: kit.keys, append });
});
afterEach(() => kit.dispose());

const erase = (deps = erasing): Promise<Erased> => eraseUser(deps, erasure, () => undefined);
const certified = ({ certificate }: Pick<Erased, "certificate">): unknown => JSON.parse(certificate.statement);
const ledger = (): string => readFileSync(join(kit.dir, "erasures.ndjson"), "utf8");
const userEvents = () => kit.log.readStream(streamOf.user("alice"), firstRevision, 100);

/** In their order. Each dies when it is done and nobody was told: before it is the same as after the one before. */
const steps = ["check", "begin", "append", "condemn", "destroying", "destroy", "signingKey", "finish"] as const;
const dyingAfter = (step: (typeof steps)[number]): ErasingWith => {
  const die = <Args extends readonly unknown[], A>(name: string, run: (...args: Args) => Promise<A>) =>
    name !== step
      ? run
      : async (...args: Args): Promise<A> => {
          await run(...args);
          throw new Error(`died after ${name}`);
        };
  const { append, keys, ledger } = erasing;
  return {
    ...erasing,
    check: die("check", erasing.check),
    append: die("append", append),
    signingKey: die("signingKey", erasing.signingKey),
    keys: { ...keys, condemn: die("condemn", keys.condemn), destroy: die("destroy", keys.destroy) },
    ledger: {
      ...ledger,
      begin: die("begin", ledger.begin),
      destroying: die("destroying", ledger.destroying),
      finish: die("finish", ledger.finish),
    },
  };
};

describe("an erasure", () => {
  it.each(steps)(
    "that dies after %s is done by the next start, and certifies every key that it ended",
    async (step) => {
      await expect(erase(dyingAfter(step))).rejects.toThrow(`died after ${step}`);
      expect(await reapplyErasures(erasing)).toEqual(step === "check" || step === "finish" ? [] : ["alice"]);
      const erased = await erase();
      expect(certified(erased)).toMatchObject({ reason: "Art. 17", keysDestroyed: theirs });
      expect(await Promise.all(theirs.map(kit.keys.find))).toEqual([undefined, undefined, undefined]);
      expect(await kit.keys.find("bob/2026-01/i")).toBeDefined();
      const events = await userEvents();
      expect(events.filter(({ type }) => type === "UserErased").map(({ id }) => id)).toEqual([
        (certified(erased) as { event: { id: string } }).event.id,
      ]);
      expect(await reapplyErasures(erasing)).toEqual([]);
      expect((await erasing.ledger.find("alice"))?.certificate).toEqual(erased.certificate);
    },
  );

  it("that is run again says what was, and writes nothing", async () => {
    const first = await erase();
    const [lines, events] = [ledger(), await userEvents()];
    const again = await eraseUser(erasing, { ...erasure, reason: "again" }, () => undefined);
    expect(again).toEqual(first);
    expect([ledger(), await userEvents()]).toEqual([lines, events]);
  });

  it("is refused for a hold that was set while the log was read, and nothing has begun", async () => {
    const holding = async (...args: Parameters<ErasingWith["log"]["readAll"]>) => {
      const hold = { case: "17", users: ["alice"], conversations: [], reason: "court" };
      await setHoldIn(kit.log, Date.now, ids)(hold, by);
      return kit.log.readAll(...args);
    };
    const deps = { ...erasing, log: { ...erasing.log, readAll: holding } };
    await expect(erase(deps)).rejects.toMatchObject({ code: "HELD" });
    expect(await erasing.ledger.find("alice")).toBeUndefined();
    expect(await kit.keys.find("alice/profile/i")).toBeDefined();
  });

  it("that has begun is done though a hold was set since: the ledger's line cannot be taken back", async () => {
    await expect(erase(dyingAfter("begin"))).rejects.toThrow("died");
    await setHoldIn(kit.log, Date.now, ids)({ case: "17", users: ["alice"], conversations: [], reason: "court" }, by);
    expect(certified(await erase())).toMatchObject({ keysDestroyed: theirs });
  });

  it("is not done to a user of the same id in another log that reads the same ledger, and is in one that was made from the first", async () => {
    const begin = (log: LogKit["log"]) => beginEpoch(log, { cause: "operator", by }, Date.now, ids);
    const epoch = await begin(kit.log);
    await erase();
    const written = ledger();
    const other = await openLogKit();
    try {
      await begin(other.log);
      await commandsOn(other).registerDevice({}, contextOf("alice"));
      await other.keys.obtain("alice/profile/i");
      writeFileSync(join(other.dir, "erasures.ndjson"), written);
      const append = eraseUserIn(other.log, Date.now, ids);
      const opened = { log: other.log, keys: other.keys, append };
      const there = erasingIn(other.dir, { treeKey: join(other.dir, "tree.key") }, opened);
      expect(await reapplyErasures(there)).toEqual([]);
      expect(await there.ledger.find("alice")).toBeUndefined();
      expect(await other.keys.find("alice/profile/i")).toBeDefined();

      // The first log's events were taken from there: it is the same log from now on.
      const previous = { epoch, head: 1 };
      await beginEpoch(other.log, { cause: "import", previous, by }, Date.now, ids);
      expect(await reapplyErasures(there)).toEqual(["alice"]);
      expect(await other.keys.find("alice/profile/i")).toBeUndefined();
    } finally {
      await other.dispose();
    }
  });

  it("is done again by an entry that does not say of which log it is, as those of before do not", async () => {
    await beginEpoch(kit.log, { cause: "operator", by }, Date.now, ids);
    const begun = { begun: "alice", at: 1, by, reason: "Art. 17" };
    writeFileSync(join(kit.dir, "erasures.ndjson"), `${JSON.stringify(begun)}\n`);
    expect(await reapplyErasures(erasing)).toEqual(["alice"]);
    expect(await kit.keys.find("alice/profile/i")).toBeUndefined();
  });

  it("is known by a ledger of before, which did not list the keys", async () => {
    const { certificate } = await erase();
    const old = ledger().replace(/.*"destroying".*\n/, "");
    expect(old).not.toBe(ledger());
    writeFileSync(join(kit.dir, "erasures.ndjson"), old);
    expect(await erasing.ledger.find("alice")).toMatchObject({ keys: [], certificate });
    expect((await erase()).certificate).toEqual(certificate);
  });
});
