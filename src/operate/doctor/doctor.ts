import { dataDirOf, readConfig, sodiumOf, BadConfig, type Config, type Flags } from "../../settings/config.js";
import { reasonOf } from "../../lib/errors.js";
import type { Check } from "./check.js";
import { checkDirectory, checkDisk, checkModes, checkWals } from "./files.js";
import { checkErasures } from "./erasures.js";
import { checkStores } from "./stores.js";
import { readTreeSettings } from "../../settings/tree.js";
import { checkWitnesses } from "./witness.js";
import { checkTokenSecret } from "./token-secret.js";
import { givenCell } from "../../settings/cell.js";
import { anyAudience, audienceFix } from "../../settings/any-audience.js";
import { openTextCipher, type OpenedTextCipher } from "../../infra/text-cipher/open.js";

export type Diagnosis = {
  readonly dataDir: string;
  /** Whether a server has the directory. */
  readonly running: boolean;
  /** Nothing is wrong; there may be warnings. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks at everything that a server needs, as the same flags and environment would start it; changes nothing.
 *
 * @throws BadConfig when they name no data directory: there is nothing to look at
 */
export const diagnose = async (flags: Flags, environment: Environment): Promise<Diagnosis> => {
  const dataDir = dataDirOf(flags, environment);
  const directory = checkDirectory(dataDir);
  const sealing = await openTextCipher(sodiumOf(environment));
  const treeProblems: string[] = [];
  // What is wrong with its settings the configuration's check says.
  const tree = readTreeSettings(environment, treeProblems);
  const checks: Check[] = [
    ...checkConfiguration(flags, environment),
    checkNode(process.versions.node),
    await checkSockets(),
    checkTextCipher(sealing),
    ...directory.checks,
  ];
  if (directory.exists) {
    checks.push(
      await checkTokenSecret(dataDir, environment),
      checkModes(dataDir),
      checkDisk(dataDir),
      checkWals(dataDir),
    );
    const cell = givenCell(flags, environment).given?.value ?? "main";
    checks.push(...(await checkStores(dataDir, directory.running, { cell, cipher: sealing.cipher })));
    checks.push(await checkErasures(dataDir, environment));
  }
  if (treeProblems.length === 0) checks.push(...(await checkWitnesses(tree)));
  const ok = checks.every(({ state }) => state !== "wrong");
  return { dataDir, running: directory.running, ok, checks };
};

const checkConfiguration = (flags: Flags, environment: Environment): readonly Check[] => {
  try {
    const config = readConfig(flags, environment);
    const { seal, host, port, cell } = config;
    return [
      checkSealing(`valid: listens on ${host}:${port}, cell ${cell}`, seal),
      ...checkOldNames(config),
      ...checkAudience(config),
    ];
  } catch (error) {
    if (!(error instanceof BadConfig)) throw error;
    return [
      { name: "configuration", state: "wrong", says: error.problems.join("; "), mend: "See parley serve --help" },
    ];
  }
};

/** A valid configuration, in which sealing is the one thing that an operator may regret. */
export const checkSealing = (says: string, seal: boolean): Check => {
  if (seal) return { name: "configuration", state: "ok", says: `${says}; new content is sealed` };
  return {
    name: "configuration",
    state: "warning",
    says: `${says}; sealing is OFF: new content lies readable in the log, for ever`,
    mend: "Unset PARLEY_SEAL (or --seal on), unless that is meant",
  };
};

/** Which library seals here. Without the native one all works, and costs more. */
export const checkTextCipher = ({ by, whyNotNative }: Omit<OpenedTextCipher, "cipher">): Check => {
  const name = "sealing";
  const says = `XChaCha20-Poly1305 by ${by}`;
  if (whyNotNative === undefined) return { name, state: "ok", says };
  const mend =
    "Nothing has to be done: it reads and writes the same, some microseconds a message slower. Its binary needs x64 or arm64, and on Linux glibc 2.33 or newer; where PARLEY_SODIUM is wasm, unset it";
  return { name, state: "warning", says: `${says}: ${whyNotNative}`, mend };
};

/** What works until no operator knows any more why it does. */
export const checkOldNames = ({ oldNames }: Pick<Config, "oldNames">): readonly Check[] =>
  oldNames.map(({ old, now }) => ({
    name: "configuration",
    state: "warning",
    says: `${old} is the old name of ${now}`,
    mend: `Rename ${old} to ${now}; its value stays`,
  }));

/** Whether the tokens of an identity provider are bound to this server. */
export const checkAudience = ({ jwks }: Pick<Config, "jwks">): readonly Check[] => {
  if (jwks === undefined) return [];
  const name = "identity provider";
  if (jwks.audience !== undefined) return [{ name, state: "ok", says: `its tokens are for ${jwks.audience}` }];
  return [{ name, state: "warning", says: `PARLEY_JWT_AUDIENCE is not set: ${anyAudience}`, mend: audienceFix }];
};

/** What `engines` in package.json says. */
export const checkNode = (version: string): Check => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fits = (major === 20 && minor >= 12) || major === 22;
  return fits
    ? { name: "node", state: "ok", says: `v${version}` }
    : { name: "node", state: "wrong", says: `v${version}`, mend: "Use Node 20 (20.12 or newer) or 22" };
};

/** The binary is per platform and Node version: whether it loads is only known when it does. */
export const checkSockets = async (): Promise<Check> => {
  try {
    await import("../../gateway/transport/transport.js");
    return { name: "uWebSockets", state: "ok", says: `its binary loads (${process.platform} ${process.arch})` };
  } catch (error) {
    const says = `its binary does not load: ${reasonOf(error)}`;
    return {
      name: "uWebSockets",
      state: "wrong",
      says,
      mend: "Run npm ci with this Node on this machine (glibc is needed)",
    };
  }
};
