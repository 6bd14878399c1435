/** `@parley/client` as an application gets it: packed, installed where nothing of this repository is, and used. */
import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer } from "../kit/server.js";

const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), "parley-application-"));
const app = join(home, "app");
const write = (name: string, text: string): void => {
  writeFileSync(join(app, name), text);
};

type Manifest = { readonly version: string; readonly engines: object; readonly license: string };
const manifestOf = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Manifest & Record<string, unknown>;
const installed = join(app, "node_modules/@parley/client");

beforeAll(async () => {
  await run("npm", ["pack", "-w", "@parley/client", "--pack-destination", home]);
  const [tarball = ""] = readdirSync(home);
  mkdirSync(app);
  write("package.json", JSON.stringify({ type: "module", private: true }));
  await run("npm", ["install", join(home, tarball), "--offline", "--no-audit", "--no-fund"], { cwd: app });
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

describe("the package of the client library", () => {
  it("has what was built, its licence and its page, and nothing else", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" })
      .filter((path) => statSync(join(installed, path)).isFile())
      .toSorted();
    expect(files).toEqual(expect.arrayContaining(["dist/index.js", "dist/index.d.ts"]));
    const beside = files.filter((path) => !/^dist\/[\w/-]+\.(js|d\.ts|js\.map)$/.test(path));
    expect(beside).toEqual(["LICENSE", "README.md", "package.json"]);
    expect(readFileSync(join(installed, "LICENSE"), "utf8")).toBe(readFileSync("LICENSE", "utf8"));
  });

  it("depends on nothing, and has Parley's version, licence and Node", () => {
    const { version, engines, license } = manifestOf("package.json");
    const client = manifestOf(join(installed, "package.json"));
    expect(client).toMatchObject({ version, engines, license });
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"])
      expect(client[kind]).toBeUndefined();
  });

  it("talks to a server: the thirty lines of docs/CLIENT.md say what they promise", async () => {
    const [, lines = ""] = /## Thirty lines[^]*?```js\n([^]*?)```/.exec(readFileSync("docs/CLIENT.md", "utf8")) ?? [];
    const server = await startServer();
    try {
      write("example.mjs", lines.replace("http://127.0.0.1:8080", server.url()));
      symlinkSync(resolve("node_modules/ws"), join(app, "node_modules/ws"));
      const [ALICE, BOB] = await Promise.all([server.token("alice", "phone"), server.token("bob", "phone")]);
      const env = { ...process.env, ALICE, BOB };
      const { stdout } = await run(process.execPath, ["example.mjs"], { cwd: app, env });
      expect(stdout.split("\n").toSorted()).toEqual(
        ["", "alice: Hello Bob (1 unread)", "and read", "durable as message 1"].toSorted(),
      );
    } finally {
      await server.dispose();
    }
  });

  it("has an entry for browsers, and none for its insides", async () => {
    write(
      "entries.mjs",
      `import { browserPlatform } from "@parley/client/browser";
const inside = await import("@parley/client/dist/engine.js").catch(({ code }) => code);
console.log(typeof browserPlatform, inside);`,
    );
    const { stdout } = await run(process.execPath, ["entries.mjs"], { cwd: app });
    expect(stdout).toBe("function ERR_PACKAGE_PATH_NOT_EXPORTED\n");
  });

  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("has types that hold an application to them (module %s, resolution %s)", async (module, moduleResolution) => {
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2023", lib: ["es2023", "dom"], types: [] },
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true },
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["main.ts"] }));
    write(
      "main.ts",
      `import { createClient, ParleyError, type Client, type Content, type ErrorCode } from "@parley/client";
import { browserPlatform } from "@parley/client/browser";
import { nodePlatform } from "@parley/client/node";

const client: Client = createClient({ url: "http://127.0.0.1", token: () => "t", platform: browserPlatform() });
client.on("message", ({ message }) => {
  const sequence: number = message.sequence;
  const content: Content | undefined = message.content;
  // @ts-expect-error it is a number
  const text: string = message.sequence;
  return [sequence, content, text];
});
// @ts-expect-error there is no such event
client.on("massage", () => undefined);
// @ts-expect-error there is no such code
const wrong: ErrorCode = "NO_SUCH_CODE";
const code: ErrorCode = new ParleyError("UNAVAILABLE", "").code;
export const all = [code, wrong, nodePlatform()];
`,
    );
    const tsc = resolve("node_modules/typescript/bin/tsc");
    const { stdout } = await run(process.execPath, [tsc, "-p", "."], { cwd: app }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe("");
  });
});
