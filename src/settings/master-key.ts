import { masterKeysIn } from "../infra/key-store/master-key-file.js";
import type { MasterKeys } from "../infra/key-store/wrapping.js";
import { BadConfig } from "./config.js";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * PARLEY_MASTER_KEY and, behind it, those of PARLEY_MASTER_KEYS_ALSO, which only open; undefined where the environment
 * gives none. @throws BadConfig that names the variable, never its value
 */
export const givenMasterKeys = (environment: Environment): MasterKeys | undefined => {
  const { PARLEY_MASTER_KEY: first = "", PARLEY_MASTER_KEYS_ALSO: also = "" } = environment;
  if (first === "") {
    if (also !== "") throw new BadConfig(["PARLEY_MASTER_KEYS_ALSO needs PARLEY_MASTER_KEY, which wraps"]);
    return undefined;
  }
  if (masterKeysIn([first]) === undefined)
    throw new BadConfig([`PARLEY_MASTER_KEY must be 32 bytes in base64 (make them with: openssl rand -base64 32)`]);
  const keys = masterKeysIn([first, ...(also === "" ? [] : also.split(","))]);
  if (keys === undefined)
    throw new BadConfig(["PARLEY_MASTER_KEYS_ALSO must be master keys, each 32 bytes in base64, separated by commas"]);
  return keys;
};
