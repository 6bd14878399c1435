import { createPeople } from "../../audit/archive/people.js";
import { accountOf } from "../../audit/takeout/account.js";
import type { TakeoutExtent } from "../../audit/takeout/conversation.js";
import { erasureOf } from "../../domain/user/erasure.js";
import { decodeUserEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import type { SodiumChoice } from "../../infra/text-cipher/open.js";
import { surveyOf } from "../archive/survey.js";
import { writeFileOnce, type WrittenFile } from "../archive/write-file.js";
import { zipped } from "../archive/zip.js";
import { openToRead } from "../open.js";
import { openingTexts } from "../open-texts.js";
import type { Target } from "../target.js";
import { takeoutEntries, type TakeoutTally } from "./entries.js";

export { takeoutExtents, type TakeoutExtent } from "../../audit/takeout/conversation.js";

export type TakeoutOptions = {
  readonly user: UserId;
  readonly extent: TakeoutExtent;
  readonly file: string;
  readonly sodium: SodiumChoice;
};

export type TakenOut = TakeoutTally &
  WrittenFile & {
    readonly upTo: Position;
    readonly conversations: number;
  };

export type TakeoutProgress = (stage: "reading" | "writing", done: number, of: number) => void;

/**
 * Writes everything of one person, as a ZIP with JSON and pages to read. The caller has recorded the access before.
 * @throws (rejects) NotThere; Error for a user whom the log does not know, or when the file is there already
 */
export const takeOut = async (
  target: Target,
  { user, extent, file, sodium }: TakeoutOptions,
  onProgress: TakeoutProgress = () => undefined,
): Promise<TakenOut> => {
  const opened = await openToRead(target);
  try {
    const { log } = opened;
    const open = await openingTexts(opened, sodium);
    const erased = await erasureOf(log, user);
    if (erased !== undefined)
      throw new Error(
        `${user} was erased at ${new Date(decodeUserEvent(erased).at).toISOString()} (position ${erased.position}): nothing of theirs can be handed out any more`,
      );
    const upTo = await log.head();
    const { conversations } = await surveyOf(log, { after: noPosition, upTo }, { user }, (done, of) => {
      onProgress("reading", done, of);
    });
    const account = await accountOf(log, open, user, upTo);
    if (account === undefined) throw new Error(`There is no user ${user} in the log`);
    const told: TakeoutTally = { messages: 0, damaged: 0, damages: [] };
    const source = { log, open, people: createPeople(log, open) };
    const entries = takeoutEntries({ source, account, extent, upTo, at: Date.now() }, conversations, told, (done) => {
      onProgress("writing", done, conversations.length);
    });
    const written = await writeFileOnce(file, zipped(entries));
    return { upTo, conversations: conversations.length, ...told, ...written };
  } finally {
    await opened.close();
  }
};
