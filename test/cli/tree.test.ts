import { createServer, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { headText, type ToldHead } from "../../src/audit/tree/head.js";
import { canonicalIn } from "../../src/audit/canonical.js";
import { leafHash, verifyConsistency, verifyInclusion } from "../../src/audit/merkle.js";
import type { Consistency, Inclusion } from "../../src/operate/tree/prove.js";
import { recordAccess } from "../../src/operate/access.js";
import type { Target } from "../../src/operate/target.js";
import { startServer, type TestServer } from "../kit/server.js";
import { json, run } from "./run.js";

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");

describe("the tree over a running server's log", () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-audit-"));
  const [witnessFile, keyFile] = [join(dir, "heads.ndjson"), join(dir, "key.pem")];
  let server: TestServer;
  let target: Target;
  let witness: Server;
  const told: ToldHead[] = [];
  let refusals = 1;
  const written = (): ToldHead[] =>
    readFileSync(witnessFile, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ToldHead);
  const audit = (...args: readonly string[]) => run(["audit", ...args, "--data", server.dataDir]);
  /** Something happens, and a head covers it. */
  const happens = async (): Promise<{ readonly position: number; readonly head: ToldHead }> => {
    // At a start the newest head is told once more.
    const before = Math.max(0, ...told.map(({ size }) => size));
    const position = await recordAccess(target, { kind: "events.open", reason: "a test", scope: {} });
    await expect.poll(() => told.some(({ size }) => size > before)).toBe(true);
    const head = told.find(({ size }) => size > before);
    if (head === undefined) throw new Error("no head");
    return { position, head };
  };

  beforeAll(async () => {
    witness = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        // Away at first: it is told again.
        if (refusals-- > 0) response.writeHead(503).end();
        else {
          told.push(JSON.parse(body) as ToldHead);
          response.writeHead(204).end();
        }
      });
    });
    await new Promise<void>((resolve) => witness.listen(0, "127.0.0.1", resolve));
    server = await startServer([], {
      PARLEY_TREE_HEAD_SECONDS: "1",
      PARLEY_TREE_WITNESS_FILE: witnessFile,
      PARLEY_TREE_WITNESS_URL: `http://127.0.0.1:${(witness.address() as AddressInfo).port}/heads`,
      // One that is never there holds nothing up.
      PARLEY_TREE_WITNESS_S3_URL: "http://127.0.0.1:1",
      PARLEY_TREE_WITNESS_S3_BUCKET: "heads",
      PARLEY_TREE_WITNESS_S3_ACCESS_KEY: "key",
      PARLEY_TREE_WITNESS_S3_SECRET_KEY: "secret",
      PARLEY_TREE_WITNESS_S3_DAYS: "1",
    });
    target = { profile: "embedded", dir: server.dataDir };
  });
  afterAll(async () => {
    await server.dispose();
    witness.close();
    rmSync(dir, { recursive: true });
  });

  it("has no head before anything happened, and says when there is one", async () => {
    const none = await audit("head");
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("no head is signed yet")]);
  });

  it("is signed within moments, told to the witnesses, and checked by openssl", async () => {
    const { head } = await happens();
    expect(json(await audit("head", "--public-key", keyFile, "--json"))).toMatchObject(head);
    expect(written()).toContainEqual(head);
    const [text, signature] = [join(dir, "text"), join(dir, "signature")];
    writeFileSync(text, headText(head));
    writeFileSync(signature, Buffer.from(head.signature, "base64"));
    const checked = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keyFile, "-in", text, "-sigfile", signature];
    expect(execFileSync("openssl", checked).toString()).toContain("Verified Successfully");
    const keyId = execFileSync("sh", ["-c", `openssl pkey -pubin -in ${keyFile} -outform DER | sha256sum`]).toString();
    expect(keyId.startsWith(head.keyId)).toBe(true);
  });

  it("proves an event, and that a newer head goes on with an older one", async () => {
    const { position, head } = await happens();
    const proved = json(await audit("prove", String(position), "--json")) as Inclusion;
    const { index, leaf, proof } = proved;
    expect(leaf).toContain('"AccessRecorded"');
    expect(
      verifyInclusion(
        { leaf: leafHash(leaf), index, size: proved.head.size, root: bytes(proved.head.root) },
        proof.map(bytes),
      ),
    ).toBe(true);
    const later = (await happens()).head;
    const grown = json(await audit("consistency", String(head.size), String(later.size), "--json")) as Consistency;
    const tree = ({ size, root }: ToldHead) => ({ size, root: bytes(root) });
    expect(verifyConsistency(tree(head), tree(later), grown.proof.map(bytes))).toBe(true);
    // Of a part of the log each line is a leaf, which its proof is for.
    const part = join(dir, "part.ndjson");
    const selected = ["--stream", "parley-access", "--compress", "none", "--output", part];
    expect((await run(["events", "export", ...selected, "--data", server.dataDir])).code).toBe(0);
    expect(readFileSync(part, "utf8").split("\n").map(canonicalIn)).toContain(leaf);
    expect((await audit("verify", part)).stderr).toContain("is a part of a log");
    // What no head covers, and what is not there, is not proved.
    expect((await audit("prove", "parley-tree@1000")).code).toBe(1);
    expect((await audit("prove", "parley-log@0")).stderr).toContain("is not in the tree");
    expect((await audit("prove", "nonsense")).code).toBe(2);
  });

  it("goes on with another key after a rotation, and after a restart", async () => {
    const before = (await happens()).head;
    const rotated = json(await audit("rotate-key", "--json")) as { readonly keyId: string };
    expect(rotated).toMatchObject({ replaces: before.keyId });
    expect((await happens()).head.keyId).toBe(rotated.keyId);
    await server.kill();
    const stopped = json(await audit("rotate-key", "--json")) as { readonly keyId: string };
    expect(stopped).toMatchObject({ replaces: rotated.keyId });
    await server.start();
    expect((await happens()).head.keyId).toBe(stopped.keyId);
    // The first key is still enough, with everything that the witness saw.
    const verified = await audit("verify", "--public-key", keyFile, "--witness", witnessFile, "--json");
    expect(json(verified)).toMatchObject({ ok: true, isKeyTrusted: true, keys: 3 });
    expect(verified.code).toBe(0);
    // One head that anybody has kept is a witness.
    const kept = join(dir, "kept.json");
    const head = await audit("head", "--json");
    writeFileSync(kept, head.stdout);
    await happens();
    const since = await audit("verify", "--public-key", keyFile, "--witness", kept);
    expect([since.code, since.stdout]).toEqual([
      0,
      expect.stringContaining("The log goes on from the witness's newest head"),
    ]);
    writeFileSync(kept, JSON.stringify({ ...(json(head) as ToldHead), size: 1_000_000, keyId: "another" }));
    const short = await audit("verify", "--public-key", keyFile, "--witness", kept);
    expect([short.code, short.stdout]).toEqual([
      1,
      expect.stringMatching(/of a head that a witness kept [\d,]+ of the/),
    ]);
  });

  it("refuses what it cannot check, and names the way", async () => {
    expect((await audit("verify", join(dir, "nowhere"))).code).toBe(1);
    expect((await audit("verify", "--public-key", witnessFile)).stderr).toContain("no Ed25519 public key");
    expect((await audit("consistency", "5", "x")).code).toBe(2);
  });
});
