import { mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadOrCreateSecret } from "../../../src/infra/auth/secret.js";

const newDir = () => mkdtemp(join(tmpdir(), "parley-secret-"));

it("is made at first start, for its owner alone, and is the same ever after", async () => {
  const dir = join(await newDir(), "not", "there");
  const made = await loadOrCreateSecret(dir, undefined);
  const path = join(dir, "token.secret");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(made.toString()).toMatch(/^[\w-]{43}$/);
  expect(`${made.toString()}\n`).toBe(await readFile(path, "utf8"));
  expect(await loadOrCreateSecret(dir, undefined)).toEqual(made);
});

it("is one, however many start at once, and leaves no drafts", async () => {
  const dir = await newDir();
  const secrets = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateSecret(dir, undefined)));
  expect(new Set(secrets.map(String)).size).toBe(1);
  expect(await readdir(dir)).toEqual(["token.secret"]);
});

it("is the bytes of the file without one trailing newline", async () => {
  const dir = await newDir();
  for (const [text, secret] of [
    ["0123456789abcdef\n", "0123456789abcdef"],
    ["0123456789abcdef\r\n", "0123456789abcdef"],
    ["0123456789abcdef", "0123456789abcdef"],
    [" 0123456789abcdef \n\n", " 0123456789abcdef \n"],
  ] as const) {
    await writeFile(join(dir, "token.secret"), text);
    expect((await loadOrCreateSecret(dir, undefined)).toString()).toBe(secret);
  }
});

it("comes from the environment first", async () => {
  const dir = await newDir();
  const given = await loadOrCreateSecret(dir, Buffer.from("sixteen bytes ok"));
  expect(given.toString()).toBe("sixteen bytes ok");
  expect(await readdir(dir)).toEqual([]);
});

it("is refused when it is empty or cannot be read, with a reason", async () => {
  const dir = await newDir();
  await writeFile(join(dir, "token.secret"), "\n");
  await expect(loadOrCreateSecret(dir, undefined)).rejects.toThrow(/token\.secret is empty/);
  await expect(loadOrCreateSecret(dir, Buffer.alloc(0))).rejects.toThrow(/PARLEY_TOKEN_SECRET is empty/);
  await expect(loadOrCreateSecret(join(dir, "token.secret"), undefined)).rejects.toThrow(/ENOTDIR/);
});

it("is refused where the nearest directory takes none, instead of trying for ever", async () => {
  await expect(loadOrCreateSecret("/proc/nope/deeper", undefined)).rejects.toThrow(/ENOENT.*\/proc\/nope'/);
});
