/**
 * Keys in a file, each wrapped by a passphrase: a line of JSON that says how, a line for each key, a line that ends it.
 * Ids are readable; they name users and conversations. The last line's code proves that no line is missing or changed.
 */
import { createHmac, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { createInterface } from "node:readline";
import { E, t } from "../../domain/kernel/fp.js";
import { storedKeysPage, type StoredKey } from "../../infra/key-store/stored-keys.js";
import { keyBytes, unwrap, wrap, type MasterKeys } from "../../infra/key-store/wrapping.js";

const format = "parley-keys/1";
/** 128 MiB and a third of a second for each guess. */
const scrypt = { N: 131_072, r: 8, p: 1 } as const;
/** Of a file that asks for more: a stranger's file must not take the machine. */
const scryptNMax = 1_048_576;

const headCodec = t.type({
  format: t.literal(format),
  kdf: t.type({ name: t.literal("scrypt"), N: t.number, r: t.number, p: t.number, salt: t.string }),
});
const keyCodec = t.type({ id: t.string, wrapped: t.string });
const endCodec = t.type({ keys: t.number, hmac: t.string });

/** The file is no export of keys, or damaged, or the passphrase is another one. */
export class BadKeyFile extends Error {
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = "BadKeyFile";
  }
}

/** Writes the file (mode 600) whole and durable, or not at all. */
export const writeKeyFile = async (
  path: string,
  passphrase: string,
  pages: AsyncIterable<readonly StoredKey[]>,
  onProgress: (keys: number) => void,
): Promise<void> => {
  const salt = randomBytes(16);
  const { wrapping, mac } = derived(passphrase, { ...scrypt, salt });
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await line(file, mac, { format, kdf: { name: "scrypt", ...scrypt, salt: salt.toString("base64") } });
    let keys = 0;
    for await (const page of pages) {
      for (const { id, key } of page)
        await line(file, mac, { id, wrapped: wrap(wrapping, id, key).toString("base64") });
      keys += page.length;
      onProgress(keys);
    }
    await file.appendFile(`${JSON.stringify({ keys, hmac: mac.digest("base64") })}\n`);
    await file.sync();
    await file.close();
    await rename(draft, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
};

export type VerifiedKeyFile = {
  readonly keys: number;
  /** Page by page, opened. */
  readonly pages: () => AsyncGenerator<readonly StoredKey[]>;
};

/** Reads the file to its end before it answers, so that nothing is taken from a damaged one. @throws (rejects) BadKeyFile */
export const verifyKeyFile = async (path: string, passphrase: string): Promise<VerifiedKeyFile> => {
  const bad = (reason: string): never => {
    throw new BadKeyFile(path, reason);
  };
  const parse = <A>(codec: t.Type<A>, text: string, number: number): A => {
    const decoded = codec.decode(json(text));
    return E.isRight(decoded) ? decoded.right : bad(`line ${number} is not of an export of keys`);
  };
  const secrets = await passphraseOf(path, passphrase, parse, bad);
  let [lines, last] = [0, ""];
  for await (const text of linesOf(path)) {
    if (lines > 0) secrets.mac.update(`${last}\n`);
    last = text;
    lines += 1;
  }
  if (lines < 2) bad("its end is missing: it was not written whole");
  const decodedEnd = endCodec.decode(json(last));
  const end = E.isRight(decodedEnd) ? decodedEnd.right : bad("its end is missing: it was not written whole");
  const [said, made] = [Buffer.from(end.hmac, "base64"), secrets.mac.digest()];
  if (said.length !== made.length || !timingSafeEqual(said, made) || end.keys !== lines - 2)
    bad("the passphrase is another one, or the file is damaged");
  const pages: VerifiedKeyFile["pages"] = async function* () {
    let [number, page]: [number, StoredKey[]] = [0, []];
    for await (const text of linesOf(path)) {
      number += 1;
      if (number === 1 || number === lines) continue;
      const { id, wrapped } = parse(keyCodec, text, number);
      page.push({ id, key: unwrap(secrets.wrapping, id, Buffer.from(wrapped, "base64")) });
      if (page.length < storedKeysPage) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  };
  return { keys: end.keys, pages };
};

const linesOf = (path: string): AsyncIterable<string> =>
  createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });

const passphraseOf = async (
  path: string,
  passphrase: string,
  parse: <A>(codec: t.Type<A>, text: string, number: number) => A,
  bad: (reason: string) => never,
): Promise<Secrets> => {
  for await (const first of linesOf(path)) {
    const { kdf } = parse(headCodec, first, 1);
    if (kdf.N > scryptNMax || kdf.r > 16 || kdf.p > 4) bad("it asks for more work than an export of Parley does");
    return derived(passphrase, { ...kdf, salt: Buffer.from(kdf.salt, "base64") });
  }
  return bad("it is empty");
};

const line = async (file: FileHandle, mac: Mac, value: object): Promise<void> => {
  const text = `${JSON.stringify(value)}\n`;
  mac.update(text);
  await file.appendFile(text);
};

type Kdf = { readonly N: number; readonly r: number; readonly p: number; readonly salt: Buffer };
type Mac = ReturnType<typeof createHmac>;
type Secrets = { readonly wrapping: MasterKeys; readonly mac: Mac };
const derived = (passphrase: string, { N, r, p, salt }: Kdf): Secrets => {
  const both = scryptSync(passphrase.normalize("NFC"), salt, keyBytes * 2, { N, r, p, maxmem: 256 * N * r });
  return { wrapping: [both.subarray(0, keyBytes)], mac: createHmac("sha256", both.subarray(keyBytes)) };
};

const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
