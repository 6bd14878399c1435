import { emojiKey } from "../../domain/conversation/emoji.js";
import type { t } from "../../domain/kernel/fp.js";
import { gatewayLimits } from "../limits.js";
import { checked, text } from "./codecs.js";

/** Flag `v`, which the compiler does not know for its target: sequences of several code points are properties only there. */
const wholeEmoji = new RegExp("^\\p{RGI_Emoji}$", "v");
/** `:name:`, letters of any script among them. */
const namedEmoji = /^:[\p{L}\p{M}\p{N}_+-]+:$/u;
/** Room that Unicode has set aside: an emoji that this process is too old to know, but its sender's keyboard is not. */
const futureEmoji = /^(?=\p{Extended_Pictographic})\p{Cn}\p{Emoji_Modifier}?$/u;
/** A sign with two faces that is not told which one: it gets the coloured one. A skin tone behind it says so already. */
const twoFaced = /(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu;

const characters = text(1, gatewayLimits.emojiCharsMax);

/**
 * One grapheme that is shown as an emoji, in any of its spellings, or `:name:`. Asked where a reaction comes in and nowhere
 * else: the answer grows with the version of Unicode that this process knows.
 */
const isEmoji = (value: unknown): value is string => {
  if (!characters.is(value)) return false;
  const key = emojiKey(value);
  return (
    wholeEmoji.test(key) ||
    wholeEmoji.test(key.replace(twoFaced, "$&\uFE0F")) ||
    namedEmoji.test(key) ||
    futureEmoji.test(key)
  );
};

export const emojiCodec: t.Type<string> = checked(`one emoji, or :name:, of ${characters.name}`, isEmoji);
