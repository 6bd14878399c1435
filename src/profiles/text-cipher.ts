import type { TextCipher } from "../commands/ports.js";
import type { Logger } from "../gateway/ports.js";
import { openTextCipher } from "../infra/text-cipher/open.js";
import type { Config } from "../settings/config.js";

/** What a process seals with, for its whole life. Where it is not what a machine should have, its log says so, once. */
export const textCipherFor = async ({ sodium }: Pick<Config, "sodium">, logger: Logger): Promise<TextCipher> => {
  const { cipher, by, whyNotNative } = await openTextCipher(sodium);
  if (whyNotNative !== undefined && sodium === "auto")
    logger.warn(
      { by, reason: whyNotNative },
      "sealing has no native library here: it writes and reads the same, and costs some microseconds a message more",
    );
  return cipher;
};
