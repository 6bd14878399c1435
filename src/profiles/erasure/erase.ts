/**
 * Erases a user: ADR 28 says why in this order. The ledger first, so that whatever ends the process, the next start goes on;
 * then the log, from which on nothing of the user's is taken; then the keys, which is what makes it true; and the
 * certificate last, when it is.
 */
import type { KeyObject } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createSurvey, type Survey } from "../../audit/erasure/survey.js";
import { signText } from "../../audit/tree/head.js";
import type { Clock, DestroyingKeys, EventLog } from "../../commands/ports.js";
import type { ByOperator } from "../../domain/kernel/by.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { asRevision, noPosition, streamOf, type Position } from "../../domain/kernel/stream.js";
import { spkiOf, treeKeyId } from "../../projections/ports/tree-keys.js";
import type { Certificate, Ledger } from "./ledger.js";

export type Erasure = { readonly userId: UserId; readonly reason: string; readonly by: ByOperator };

export type ErasingWith = {
  readonly log: Pick<EventLog, "readAll" | "readStream" | "head">;
  /** Appends UserErased unless the log has it. @throws (rejects) Error for whom nobody ever saw */
  readonly append: (erasure: Erasure) => Promise<void>;
  /** Whether the log has ever seen the user; rejects with what forbids the erasure. */
  readonly check: (userId: UserId) => Promise<void>;
  readonly keys: DestroyingKeys;
  readonly signingKey: () => Promise<KeyObject>;
  readonly ledger: Ledger;
  readonly clock: Clock;
};

export type Erased = {
  readonly certificate: Certificate;
  readonly survey: Survey;
  readonly keysDestroyed: number;
};

type OnProgress = (done: number, of: number) => void;

export const eraseUser = async (deps: ErasingWith, erasure: Erasure, onProgress: OnProgress): Promise<Erased> => {
  const { keys, ledger, clock } = deps;
  const { userId, reason, by } = erasure;
  await deps.check(userId);
  const survey = await surveyOf(deps.log, userId, onProgress);
  const known = (await ledger.read()).get(userId)?.certificate;
  await ledger.begin({ userId, at: clock(), by, reason });
  await deps.append(erasure);
  const destroyed = await keys.destroy(userId);
  // Run again after it was done, it is what it was.
  if (known !== undefined && destroyed.length === 0) {
    await ledger.finish(userId, known);
    return { certificate: known, survey, keysDestroyed: 0 };
  }
  const certificate = await certify(deps, erasure, { survey, destroyed });
  await ledger.finish(userId, certificate);
  return { certificate, survey, keysDestroyed: destroyed.length };
};

/** Events of a read: others' reads wait for none that is longer than some milliseconds. */
const pageEvents = 500;

/** Reads the whole log, page by page. */
export const surveyOf = async (
  log: Pick<EventLog, "readAll" | "head">,
  userId: UserId,
  onProgress: OnProgress,
): Promise<Survey> => {
  const survey = createSurvey(userId);
  const head = await log.head();
  for (let after: Position = noPosition; ;) {
    const page = await log.readAll(after, pageEvents);
    for (const event of page) survey.add(event);
    const last = page.at(-1);
    if (last === undefined || page.length < pageEvents || last.position >= head) break;
    after = last.position;
    onProgress(after, head);
    await nextTurn();
  }
  onProgress(head, head);
  return survey.result();
};

const certify = async (
  { log, signingKey, clock }: ErasingWith,
  { userId, reason, by }: Erasure,
  { survey, destroyed }: { readonly survey: Survey; readonly destroyed: readonly string[] },
): Promise<Certificate> => {
  const [event] = await log.readStream(streamOf.user(userId), asRevision(-1), 1, "backwards");
  if (event?.type !== "UserErased") throw new Error(`the log does not say that ${userId} is erased: run it again`);
  const statement = JSON.stringify({
    ...{ certificate: "parley erasure 1", user: userId, reason, by, at: clock() },
    event: { stream: event.stream, revision: event.revision, position: event.position, id: event.id },
    keysDestroyed: destroyed,
    textsErased: survey.sealed,
    plainTextsLeft: survey.plain,
    plainTextsAt: survey.plainAt,
  });
  const key = await signingKey();
  return {
    statement,
    keyId: treeKeyId(key),
    publicKey: spkiOf(key).toString("base64"),
    signature: signText(key, statement),
  };
};

/** Whether anything of an erasure that the ledger names is left to do, as it is after a crash or a restore. */
const isUndone = async ({ log, keys }: ErasingWith, userId: UserId, isCertified: boolean): Promise<boolean> => {
  if (!isCertified || !(await keys.isErased(userId))) return true;
  const [newest] = await log.readStream(streamOf.user(userId), asRevision(-1), 1, "backwards");
  return newest !== undefined && newest.type !== "UserErased";
};

/**
 * Erases again whom the ledger names and the log or the keys have: before anything is served.
 * @returns the users
 */
export const reapplyErasures = async (deps: ErasingWith): Promise<readonly UserId[]> => {
  const again: UserId[] = [];
  for (const { userId, reason, by, certificate } of (await deps.ledger.read()).values()) {
    if (!(await isUndone(deps, userId, certificate !== undefined))) continue;
    const erasure = { userId, reason, by };
    const [seen] = await deps.log.readStream(streamOf.user(userId), asRevision(0), 1);
    // A log from before the user came has no event to append, and may have keys: of what others were about to read.
    if (seen === undefined) await deps.keys.destroy(userId);
    else {
      await deps.append(erasure);
      const destroyed = await deps.keys.destroy(userId);
      if (certificate === undefined || destroyed.length > 0) {
        const survey = await surveyOf(deps.log, userId, () => undefined);
        await deps.ledger.finish(userId, await certify(deps, erasure, { survey, destroyed }));
      }
    }
    again.push(userId);
  }
  return again;
};
