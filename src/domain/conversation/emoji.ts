/**
 * What a reaction is counted by: canonical composition, and without U+FE0F, which asks for colour where the same sign has
 * both faces. So what looks the same is the same. Nothing here depends on the version of Unicode that a process knows: which
 * texts are emoji at all is asked once, where they come in.
 */
export const emojiKey = (emoji: string): string => emoji.normalize("NFC").replaceAll("\uFE0F", "");
