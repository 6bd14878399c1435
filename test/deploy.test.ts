/** What the deployment files promise, by their text; test/stack/deploy/deploy.test.ts asks the tools themselves. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const read = (path: string): string => readFileSync(path, "utf8");
const withoutComments = (text: string): string => text.replace(/(^|\s)#.*$/gm, "$1");
const namesIn = (text: string, pattern: RegExp): ReadonlySet<string> =>
  new Set([...text.matchAll(pattern)].map((match) => match[1] ?? match[0]));

const compose = withoutComments(read("docker-compose.yml"));
const example = read(".env.example");
const dockerfile = withoutComments(read("Dockerfile"));

/** Every variable that Parley's code knows, by its text: the codecs of the settings are not one list. */
const known = namesIn(
  readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => read(join("src", path)))
    .join("\n"),
  /\bPARLEY_[A-Z0-9_]+\b/g,
);
const substituted = namesIn(compose, /\$\{(\w+)/g);
const explained = namesIn(example, /^(\w+)=/gm);

describe("docker-compose.yml and .env.example", () => {
  it.each([
    ["docker-compose.yml", compose],
    [".env.example", example],
    ["Dockerfile", dockerfile],
  ])("%s sets nothing that Parley does not know", (_, text) => {
    const set = namesIn(text, /\bPARLEY_[A-Z0-9_]+\b/g);
    expect([...set].filter((name) => !known.has(name))).toEqual([]);
  });

  it("explain each other: every variable has its line, and every line its use", () => {
    expect([...explained].toSorted()).toEqual([...substituted].toSorted());
  });

  it("explain every variable in a comment above it", () => {
    const blocks = example.split(/\n{2,}/).filter((block) => /^\w+=/m.test(block));
    for (const block of blocks) expect.soft(block).toMatch(/^# /);
  });

  it("have defaults that agree, and none for a secret, which is asked for by name", () => {
    for (const [, name = "", value = ""] of example.matchAll(/^(\w+)=(.*)$/gm)) {
      const uses = [...compose.matchAll(new RegExp(`\\$\\{${name}(:[-?])([^}]*)\\}`, "g"))];
      expect.soft(uses.length, name).toBeGreaterThan(0);
      for (const [, operator, text] of uses) {
        const isSecret = /SECRET|KEY/.test(name);
        expect.soft(operator, name).toBe(isSecret ? ":?" : ":-");
        if (isSecret) expect.soft(text, name).toMatch(new RegExp(`^${name} is missing`));
        else expect.soft(text, name).toBe(value);
      }
      if (/SECRET|KEY/.test(name)) expect.soft(value, name).toBe("");
    }
  });

  it("take images by a version, never by a name that moves", () => {
    const images = [...compose.matchAll(/^\s+image: (\S+)$/gm)].map(([, image]) => image);
    expect(images.length).toBeGreaterThanOrEqual(7);
    for (const image of images) expect.soft(image).toMatch(/:v?\d+\.\d+\.\d+(?:-[a-z]+)?$/);
  });

  it("start an event store again that has ended itself with 0", () => {
    const [, eventStore = ""] = compose.split(/^ {2}eventstore:\n/m);
    expect(eventStore.split(/^ {2}\w+:/m)[0]).toMatch(/^ {4}restart: always$/m);
  });

  it("have a health check for every service", () => {
    const anchors = new Map(blocksOf(compose, 0).map((block) => [/&(\w+)/.exec(block)?.[1], block]));
    const [, services = ""] = compose.split(/^services:\n/m);
    for (const block of blocksOf(services.split(/^\S/m)[0] ?? "", 2)) {
      const [, name] = /^ {2}([\w-]+):/.exec(block) ?? [];
      const [, shared] = /\*(parley|gateway|projector)\b/.exec(block) ?? [];
      const through = shared === undefined ? undefined : "parley";
      expect.soft(block + (anchors.get(through) ?? ""), name).toContain("healthcheck:");
    }
  });
});

/** The parts of a YAML text that begin at that many spaces. */
const blocksOf = (text: string, indentation: number): readonly string[] =>
  text.split(new RegExp(`^(?= {${indentation}}[\\w-]+:)`, "m")).filter((block) => /^ *[\w-]+:/.test(block));

describe("the Dockerfile", () => {
  const stages = dockerfile.split(/^(?=FROM )/m).filter((stage) => stage.startsWith("FROM"));
  const last = stages.at(-1) ?? "";

  it("is built in stages on pinned images with glibc, of the one Node", () => {
    expect(stages).toHaveLength(2);
    const images = stages.map((stage) => /^FROM (\S+)/.exec(stage)?.[1]);
    for (const image of images) expect(image).toMatch(/^node:20\.\d+\.\d+-bookworm(?:-slim)?$/);
    expect(new Set(images.map((image) => /node:[\d.]+/.exec(image ?? "")?.[0])).size).toBe(1);
  });

  it("runs as nobody special, with a health check, and starts what the build makes", () => {
    const [, user] = /^USER (\d+):\d+$/m.exec(last) ?? [];
    expect(Number(user)).toBeGreaterThan(0);
    expect(last).toMatch(/^HEALTHCHECK /m);
    const { bin } = JSON.parse(read("package.json")) as { bin: { parley: string } };
    expect(last).toContain(`ENTRYPOINT ["node", "${bin.parley}"]`);
    expect(last.indexOf("USER ")).toBeGreaterThan(last.lastIndexOf("RUN "));
  });

  it("copies what is there and what .dockerignore lets through, and that lets nothing else through", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = ""]) =>
      paths.split(" "),
    );
    for (const path of copied) expect.soft(existsSync(path), path).toBe(true);
    const [first, ...rules] = withoutComments(read(".dockerignore"))
      .split("\n")
      .filter((line) => line.trim() !== "");
    expect(first).toBe("*");
    const through = rules.flatMap((rule) => (rule.startsWith("!") ? [rule.slice(1)] : []));
    const whole = copied.filter((path) => !copied.some((folder) => path.startsWith(`${folder}/`)));
    expect(through.toSorted()).toEqual(whole.toSorted());
    // What was built here before is not what the image builds.
    expect(rules.filter((rule) => !rule.startsWith("!"))).toEqual(["client/dist"]);
  });

  it("has the workspaces' package.json before the packages are installed, which the lock names", () => {
    const { workspaces } = JSON.parse(read("package.json")) as { workspaces: readonly string[] };
    const before = dockerfile.slice(0, dockerfile.indexOf("RUN npm ci"));
    for (const workspace of workspaces) expect(before).toContain(`COPY ${workspace}/package.json ./${workspace}/`);
  });
});

describe("deploy/haproxy.cfg", () => {
  const text = withoutComments(read("deploy/haproxy.cfg"));

  it("balances by the fewest connections on readiness, and cuts nobody off when a gateway drains", () => {
    expect(text).toMatch(/^backend gateways\n {4}balance leastconn\n/m);
    expect(text).toContain("uri /readyz");
    expect(text).not.toContain("shutdown-sessions");
    expect(text).toContain("timeout tunnel 1h");
    expect(text).toContain("option forwardfor");
  });

  it("knows the gateways of docker-compose.yml, and takes as many connections as the open-file limit allows", () => {
    const gateways = [...text.matchAll(/presetenv PARLEY_LB_GATEWAY_\d (\S+):8080/g)].map(([, gateway]) => gateway);
    expect(gateways).toEqual(["gateway-1", "gateway-2"]);
    for (const gateway of gateways) expect(compose).toContain(`\n  ${gateway ?? ""}:`);
    // HAProxy does not start where the limit of open files is too low for a maxconn that was set.
    expect(text).not.toContain("maxconn");
  });
});

describe("package.json", () => {
  const { bin, scripts } = JSON.parse(read("package.json")) as { bin: { parley: string }; scripts: { start: string } };

  it("names a command that is there before the first build: npx remembers a package without one", () => {
    expect(statSync(bin.parley).mode & 0o111).toBe(0o111);
    const dir = mkdtempSync(join(tmpdir(), "parley-bin-"));
    cpSync("bin", join(dir, "bin"), { recursive: true });
    cpSync("package.json", join(dir, "package.json"));
    const { status, stderr } = spawnSync(process.execPath, [join(dir, bin.parley)], { encoding: "utf8" });
    rmSync(dir, { recursive: true });
    expect([status, stderr]).toEqual([1, expect.stringContaining("npm run build")]);
  });

  it("starts the server in the place of npm's shell, which would keep SIGTERM for itself", () => {
    expect(scripts.start).toBe(`npm run --silent build && exec node ${bin.parley} serve`);
  });
});
