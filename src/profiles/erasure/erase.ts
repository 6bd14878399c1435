/**
 * Erases a user: ADR 28 says why in this order. The ledger first, so that whatever ends the process, the next start goes on;
 * then the log, from which on nothing of the user's is taken; then the keys' names into the ledger, and the keys, which is
 * what makes it true; and the certificate last, when it is.
 */
import type { KeyObject } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createSurvey, type Survey } from "../../audit/erasure/survey.js";
import { signText } from "../../audit/tree/head.js";
import { erasureOf } from "../../domain/user/erasure.js";
import type { Clock, DestroyingKeys, EventLog } from "../../commands/ports.js";
import { decodeUserEvent } from "../../domain/catalogue.js";
import type { By, ByOperator } from "../../domain/kernel/by.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { asRevision, noPosition, streamOf, type EventId, type Position } from "../../domain/kernel/stream.js";
import { spkiOf, treeKeyId } from "../../projections/ports/tree-keys.js";
import type { Certificate, KnownErasure, Ledger } from "./ledger.js";

export type Erasure = { readonly userId: UserId; readonly reason: string; readonly by: ByOperator };

export type ErasingWith = {
  readonly log: Pick<EventLog, "readAll" | "readStream" | "head">;
  /** Appends UserErased unless the log has it. @throws (rejects) Error for whom nobody ever saw */
  readonly append: (erasure: Erasure) => Promise<void>;
  /** @throws (rejects) ErasureRefused for whom the log has never seen */
  readonly check: (userId: UserId) => Promise<void>;
  /** @throws (rejects) ErasureRefused while a case needs what the user wrote */
  readonly refuseHeld: (userId: UserId) => Promise<void>;
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

/** @throws (rejects) ErasureRefused, and whatever ends a step: it is repeatable */
export const eraseUser = async (deps: ErasingWith, erasure: Erasure, onProgress: OnProgress): Promise<Erased> => {
  const { ledger, clock } = deps;
  const { userId } = erasure;
  await deps.check(userId);
  let known = await ledger.find(userId);
  // What has begun will be done by the next start, if not here: a hold that is set since comes too late.
  if (known === undefined) await deps.refuseHeld(userId);
  const survey = await surveyOf(deps.log, userId, onProgress);
  if (known === undefined) {
    // Reading a long log takes minutes.
    await deps.refuseHeld(userId);
    known = { ...erasure, at: clock(), keys: [] };
    await ledger.begin(known);
  }
  // Run again after it was done, it is what it was.
  const certificate =
    known.certificate !== undefined && !(await isUndone(deps, known))
      ? known.certificate
      : await carryOut(deps, known, survey);
  return { certificate, survey, keysDestroyed: statementIn(certificate).keysDestroyed.length };
};

/** All after the ledger's first line. Repeatable: what was done is not done again, and is certified. */
const carryOut = async (deps: ErasingWith, known: KnownErasure, survey: Survey): Promise<Certificate> => {
  const { userId } = known;
  await deps.append(known);
  const destroyed = await destroyKeys(deps, known);
  const certificate = await certify(deps, known, { survey, destroyed });
  return deps.ledger.finish(userId, certificate, known.certificate);
};

/**
 * The keys, and before them their names in the ledger.
 * @returns the ids of all keys that this user's erasure has destroyed, also before a crash and by another at the same moment
 */
export const destroyKeys = async (
  { keys, ledger }: Pick<ErasingWith, "keys" | "ledger">,
  { userId }: Pick<KnownErasure, "userId">,
): Promise<readonly string[]> => {
  const there = await keys.condemn(userId);
  if (there.length > 0) await ledger.destroying(userId, there);
  const destroyed = await keys.destroy(userId);
  return [...new Set([...((await ledger.find(userId))?.keys ?? []), ...destroyed])];
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
  { userId, reason, by }: KnownErasure,
  { survey, destroyed }: { readonly survey: Survey; readonly destroyed: readonly string[] },
): Promise<Certificate> => {
  const event = await erasureOf(log, userId);
  if (event === undefined) throw new Error(`the log does not say that ${userId} is erased: run it again`);
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

type Statement = { readonly event: { readonly id: EventId }; readonly keysDestroyed: readonly string[] };
const statementIn = ({ statement }: Certificate): Statement => JSON.parse(statement) as Statement;

/** Whether anything of an erasure that the ledger names is left to do, as it is after a crash or a restore. */
const isUndone = async ({ log, keys }: ErasingWith, { userId, certificate }: KnownErasure): Promise<boolean> => {
  if (certificate === undefined || !(await keys.isErased(userId))) return true;
  const [newest] = await log.readStream(streamOf.user(userId), asRevision(-1), 1, "backwards");
  return newest !== undefined && newest.id !== statementIn(certificate).event.id;
};

/**
 * Erases again whom the ledger names and the log or the keys have: before anything is served.
 * @returns the users
 */
export const reapplyErasures = async (deps: ErasingWith): Promise<readonly UserId[]> => {
  const again: UserId[] = [];
  for await (const page of deps.ledger.pages())
    for (const known of page) if (await isUndone(deps, known)) again.push(await applyAgain(deps, known));
  return again;
};

const applyAgain = async (deps: ErasingWith, known: KnownErasure): Promise<UserId> => {
  const { userId } = known;
  const [seen] = await deps.log.readStream(streamOf.user(userId), asRevision(0), 1);
  // A log from before the user came has no event to append, and may have keys: of what others were about to read.
  if (seen === undefined) await destroyKeys(deps, known);
  else await carryOut(deps, known, await surveyOf(deps.log, userId, () => undefined));
  return userId;
};

/**
 * Destroys the keys of users whom the log says to be erased and whose keys are there: `keys.db` is of before, and the ledger
 * is lost or of before as well. The log is proof enough. One who is only not marked is marked.
 * @returns the users whose keys were destroyed
 */
export const eraseAsLogSays = async (deps: ErasingWith, userIds: readonly UserId[]): Promise<readonly UserId[]> => {
  const { log, keys, ledger } = deps;
  const again: UserId[] = [];
  for (const userId of userIds) {
    if (await keys.isErased(userId)) continue;
    const recorded = await erasureOf(log, userId);
    const event = recorded && decodeUserEvent(recorded);
    if (event?.type !== "UserErased" || (await keys.condemn(userId)).length === 0) continue;
    const { at, reason, by } = event;
    const listed = await ledger.find(userId);
    const known: KnownErasure = listed ?? { userId, at, reason, by: operatorOf(by), keys: [] };
    if (listed === undefined) await ledger.begin(known);
    await carryOut(deps, known, await surveyOf(log, userId, () => undefined));
    again.push(userId);
  }
  return again;
};

/** Only operators erase; whoever else it should have been is none who is known. */
const operatorOf = (by: By): ByOperator => (by.kind === "operator" ? by : { kind: "operator" });
