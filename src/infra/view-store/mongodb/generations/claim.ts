import { randomUUID } from "node:crypto";
import type { Collection, Db } from "mongodb";
import { asError } from "../../../../lib/errors.js";
import { pause } from "../../../../lib/time.js";
import { GenerationRefused, type Claim } from "../../../../projections/ports/generations.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { collectionPrefix } from "../documents.js";

/**
 * Who rebuilds. No clock of another machine is asked: the holder counts up every second, and whoever has seen the same
 * number for five takes the claim over. Two holders would be harmless: what both write is the same.
 */
type ClaimDocument = {
  readonly _id: "rebuild";
  readonly holder: string;
  readonly beat: number;
  readonly cancelled: boolean;
};

const beatEveryMs = 1_000;
/** A holder that is killed is missed after so long. */
export const silenceMsMax = 5_000;
const lookEveryMs = 250;

export const claimsIn = (db: Db, onProblem: (error: Error) => void) => {
  const collection: Collection<ClaimDocument> = db.collection<ClaimDocument>(`${collectionPrefix}claims`, {
    readConcern: { level: "majority" },
    readPreference: "primary",
    writeConcern: { w: "majority", journal: true },
  });
  const read = () => reachable(() => collection.findOne({ _id: "rebuild" }));

  /** Answers once the holder has moved, or has been silent for too long. */
  const isAlive = async ({ holder, beat }: ClaimDocument): Promise<boolean> => {
    const until = performance.now() + silenceMsMax;
    while (performance.now() < until) {
      await pause(lookEveryMs);
      const now = await read();
      if (now === null) return false;
      if (now.holder !== holder || now.beat !== beat) return true;
    }
    return false;
  };
  const take = async (before: ClaimDocument | null, holder: string): Promise<boolean> => {
    const claim: ClaimDocument = { _id: "rebuild", holder, beat: 0, cancelled: false };
    if (before === null) {
      const { upsertedCount } = await reachable(() =>
        collection.updateOne({ _id: "rebuild" }, { $setOnInsert: claim }, { upsert: true }),
      );
      return upsertedCount === 1;
    }
    const { holder: was, beat } = before;
    const { matchedCount } = await reachable(() =>
      collection.replaceOne({ _id: "rebuild", holder: was, beat }, { holder, beat: 0, cancelled: false }),
    );
    return matchedCount === 1;
  };

  return {
    claim: async (): Promise<Claim> => {
      const holder = randomUUID();
      const before = await read();
      if ((before !== null && (await isAlive(before))) || !(await take(await read(), holder)))
        throw new GenerationRefused(
          "claimed",
          "Another process rebuilds. Wait for it, or end it: parley projections cancel --profile distributed",
        );
      return held(collection, holder, onProblem);
    },
    cancel: async (): Promise<boolean> => {
      const now = await read();
      if (now === null) return false;
      await reachable(() =>
        collection.updateOne({ _id: "rebuild", holder: now.holder }, { $set: { cancelled: true } }),
      );
      return isAlive(now);
    },
  };
};

const held = (collection: Collection<ClaimDocument>, holder: string, onProblem: (error: Error) => void): Claim => {
  let isCancelled = false;
  const beat = async (): Promise<void> => {
    const found = await collection.findOneAndUpdate(
      { _id: "rebuild", holder },
      { $inc: { beat: 1 } },
      { returnDocument: "after" },
    );
    // Taken over by another, who thought that this process was gone: it goes on, and this one gives up.
    if (found === null || found.cancelled) isCancelled = true;
  };
  let beating: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    beating = beat().catch((error: unknown) => {
      onProblem(asError(error));
    });
  }, beatEveryMs);
  return {
    isCancelled: async () => {
      await beating;
      return isCancelled;
    },
    release: async () => {
      clearInterval(timer);
      await beating;
      await reachable(() => collection.deleteOne({ _id: "rebuild", holder }));
    },
  };
};
