import { closedForErasedIn } from "../audit/erasure/closed.js";
import type { Opened, OpenText } from "../audit/archive/record.js";
import { ContentDamaged, openingWith } from "../commands/sealing/sealing.js";
import { openTextCipher, type SodiumChoice } from "../infra/text-cipher/open.js";
import type { OpenedToRead } from "./open.js";

type Opening = Pick<OpenedToRead, "log" | "keys">;

/** Opens texts for those who show what they can: what does not open says why, and ends nothing. */
export const openingTexts = async ({ log, keys }: Opening, sodium: SodiumChoice): Promise<OpenText> => {
  const open = closedForErasedIn(log, openingWith(await keys(), (await openTextCipher(sodium)).cipher));
  return async (context, sealed, author): Promise<Opened> => {
    try {
      const text = await open(context, sealed, author);
      return text === null ? { erased: true } : { text };
    } catch (error) {
      if (!(error instanceof ContentDamaged)) throw error;
      return { damaged: error.message };
    }
  };
};
