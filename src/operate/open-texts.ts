import type { Opened, OpenText } from "../audit/archive/record.js";
import { ContentDamaged, openingWith } from "../commands/sealing/sealing.js";
import { openTextCipher, type SodiumChoice } from "../infra/text-cipher/open.js";
import type { KeysToRead } from "./target.js";

/** Opens texts for those who show what they can: what does not open says why, and ends nothing. */
export const openingTexts = async (keys: KeysToRead, sodium: SodiumChoice): Promise<OpenText> => {
  const open = openingWith(keys, (await openTextCipher(sodium)).cipher);
  return async (context, sealed): Promise<Opened> => {
    try {
      const text = await open(context, sealed);
      return text === null ? { erased: true } : { text };
    } catch (error) {
      if (!(error instanceof ContentDamaged)) throw error;
      return { damaged: error.message };
    }
  };
};
