/** Erasures of the distributed profile: by an operator's command, at each start, and by projectors that read of them. */
import { eraseUserIn } from "../../commands/erase.js";
import type { EventLog } from "../../commands/ports.js";
import { decodeUserEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { noRevision, streamOf } from "../../domain/kernel/stream.js";
import { readTreeStanding } from "../../audit/tree/signer.js";
import type { MongoKeyStore } from "../../infra/key-store/mongodb/key-store.js";
import { treeKeysIn } from "../../infra/tree-keys/key-store.js";
import { treeKeyId } from "../../projections/ports/tree-keys.js";
import type { ViewChange } from "../../projections/view-change.js";
import { ids } from "../serving.js";
import { checkIn, refuseHeldIn } from "./embedded.js";
import { destroyKeys, type ErasingWith } from "./erase.js";
import type { KnownErasure, Ledger } from "./ledger.js";

type Opened = {
  readonly log: Pick<EventLog, "append" | "readAll" | "readStream" | "head">;
  readonly keys: Pick<MongoKeyStore, "find" | "obtain" | "condemn" | "destroy" | "isErased">;
  readonly ledger: Ledger;
};

/** What an erasure needs, of the engines. No process has to run: the log tells those that do. */
export const erasingInEngines = ({ log, keys, ledger }: Opened): ErasingWith => ({
  ...{ log, keys, ledger },
  append: eraseUserIn(log, Date.now, ids),
  check: checkIn(log),
  refuseHeld: refuseHeldIn(log),
  // The key in force, which auditors have the public one of.
  signingKey: async () => {
    const [tree, { keyId }] = [treeKeysIn(keys), await readTreeStanding(log)];
    const candidates = keyId === undefined ? [] : await tree.candidates(keyId);
    return candidates.find((key) => treeKeyId(key) === keyId) ?? tree.obtain();
  },
  clock: Date.now,
});

/** Of a page of the ledger: MongoDB's connections are 32. */
const atOnce = 16;

/**
 * Before a process serves: whom the ledger names is erased again where the log or the keys are of before, as they are after
 * a restore and after a command that was killed. Reads no long log, so a certificate that is missing stays so.
 */
export const reapplyInEngines = async (
  deps: ErasingWith,
): Promise<{ readonly again: readonly UserId[]; readonly uncertified: readonly UserId[] }> => {
  const [again, uncertified]: [UserId[], UserId[]] = [[], []];
  for await (const page of deps.ledger.pages())
    for (let i = 0; i < page.length; i += atOnce)
      await Promise.all(
        page.slice(i, i + atOnce).map(async (known) => {
          if (known.certificate === undefined) uncertified.push(known.userId);
          if (await endAgain(deps, known)) again.push(known.userId);
        }),
      );
  return { again, uncertified };
};

/** @returns whether anything was left to do */
const endAgain = async (deps: ErasingWith, known: KnownErasure): Promise<boolean> => {
  const { userId } = known;
  const [newest] = await deps.log.readStream(streamOf.user(userId), noRevision, 1, "backwards");
  // A log from before the user came has no event to append, and may have keys: of what others were about to read.
  const isLogged = newest === undefined || newest.type === "UserErased";
  if (isLogged && (await deps.keys.isErased(userId))) return false;
  if (!isLogged) await deps.append(known);
  await destroyKeys(deps, known);
  return true;
};

/**
 * Destroys the keys of whom the log says erased, before the views say so: what the command that appended it had not done
 * yet, or what came back with an older copy of the keys. A ledger that was lost knows them again from here on.
 */
export const erasingAsRead =
  (deps: Pick<ErasingWith, "log" | "keys" | "ledger">, onErased: (userId: UserId) => void) =>
  async (changes: readonly ViewChange[]): Promise<void> => {
    for (const change of changes) {
      if (change.kind !== "assign" || change.view !== "users" || typeof change.fields.erasedAt !== "number") continue;
      const userId = String(change.key[0]);
      if (await isSettled(deps, userId)) continue;
      await destroyKeys(deps, { userId });
      onErased(userId);
    }
  };

const isSettled = async (
  { log, keys, ledger }: Pick<ErasingWith, "log" | "keys" | "ledger">,
  userId: UserId,
): Promise<boolean> => {
  if ((await ledger.find(userId)) !== undefined) return keys.isErased(userId);
  const [newest] = await log.readStream(streamOf.user(userId), noRevision, 1, "backwards");
  const event = newest === undefined ? undefined : decodeUserEvent(newest);
  if (event?.type === "UserErased") {
    const by = event.by.kind === "operator" ? event.by : ({ kind: "operator" } as const);
    await ledger.begin({ userId, at: event.at, by, reason: event.reason });
  }
  return false;
};
