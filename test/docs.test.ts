/** What the documents name is there, and what is there is named: settings, metrics, links, tests. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, expect, it } from "vitest";

const read = (path: string): string => readFileSync(path, "utf8");
const filesIn = (dir: string, extension: string): readonly string[] =>
  readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(extension))
    .map((path) => posix.join(dir, path));
const namesIn = (text: string, pattern: RegExp): readonly string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? match[0]))].toSorted();

const sources = filesIn("src", ".ts").map(read).join("\n");
const operations = read("docs/OPERATIONS.md");
const documents = ["README.md", "CHANGELOG.md", "client/README.md", ...filesIn("docs", ".md")];

describe("docs/OPERATIONS.md", () => {
  it("has every variable that src reads, and no other", () => {
    expect(namesIn(operations, /\bPARLEY_[A-Z0-9_]+/g)).toEqual(namesIn(sources, /\bPARLEY_[A-Z0-9_]+/g));
  });

  it("has each variable in one row of a table, with its flag and its default", () => {
    const help = read("src/cli/serve.ts");
    for (const variable of namesIn(sources, /\bPARLEY_[A-Z0-9_]+/g)) {
      const rows = operations.split("\n").filter((line) => line.startsWith(`| \`${variable}\` |`));
      expect.soft(rows, variable).toHaveLength(1);
      const flag = new RegExp(`"(--[a-z-]+)[^"]*",\\s*"[^"]*\\(${variable}[;)]`).exec(help)?.[1];
      if (flag !== undefined) expect.soft(rows[0], variable).toContain(`| \`${flag}\` |`);
    }
    const defaults = sources.matchAll(/variable: "(PARLEY_\w+)",\s+otherwise: "([^"]+)"/g);
    for (const [, variable, value] of defaults)
      expect.soft(operations).toMatch(new RegExp(`^\\| \`${variable}\` \\|[^|]*\\| \`${value}\` \\|`, "m"));
  });

  it("has every metric that src registers, and no other", () => {
    const registered = namesIn(sources, /"(parley_[a-z0-9_]+)"/g);
    const told = namesIn(operations, /\bparley_[a-z0-9_]+/g).map((name) => name.replace(/_(bucket|sum|count)$/, ""));
    expect([...new Set(told)]).toEqual(registered);
  });
});

describe("links", () => {
  /** As GitHub makes them of headings. */
  const anchorsOf = (path: string): readonly string[] =>
    [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );

  it.each(documents)("of %s lead to a file, and to a heading in it", (document) => {
    for (const [, link = ""] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? document : join(dirname(document), path);
      expect.soft(existsSync(target), `${document}: ${link}`).toBe(true);
      if (anchor !== undefined && existsSync(target))
        expect.soft(anchorsOf(target), `${document}: ${link}`).toContain(anchor);
    }
  });
});

describe("citations", () => {
  const citing = [...documents, ...["src", "client", "bench", "test"].flatMap((dir) => filesIn(dir, ".ts"))];
  const cited = (pattern: RegExp): readonly string[] => namesIn(citing.map(read).join("\n"), pattern);

  it.each(["PROTOCOL", "DESIGN"])("of %s lead to a section of it", (name) => {
    const sections = namesIn(read(`docs/${name}.md`), /^## (\d+)\. /gm);
    const numbers = cited(new RegExp(`\\b${name}(?:\\.md)?\`? §(\\d+)`, "g"));
    expect(numbers.length).toBeGreaterThan(2);
    expect(sections).toEqual(expect.arrayContaining([...numbers]));
  });

  it("of decisions lead to one", () => {
    const decisions = readdirSync("docs/adr").map((file) => String(Number(file.slice(0, 4))));
    expect(decisions).toEqual(expect.arrayContaining([...cited(/\bADR (\d+)/g)]));
  });
});

describe("docs/CONTRACTS.md", () => {
  const tests = filesIn("test", "").filter((path) => statSync(path).isFile());
  const asPattern = (glob: string): RegExp =>
    new RegExp(
      `^${glob
        .replace(/[.+]/g, "\\$&")
        .replaceAll("**/", "\0")
        .replaceAll("*", "[^/]*")
        .replaceAll("\0", "(?:.*/)?")}(?:/.*)?$`,
    );

  /** The files that a cell names; one without a directory is in the one of that before it. */
  const namedIn = (cell: string): readonly (readonly [name: string, files: readonly string[]])[] => {
    let dir = "test";
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => {
      const path = name.includes("/") ? name : `${dir}/${name}`;
      dir = dirname(path);
      return [name, existsSync(path) ? [path] : tests.filter((file) => asPattern(path).test(file))];
    });
  };
  const rows = read("docs/CONTRACTS.md")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| promise "))
    .map((line) => line.split("|").slice(1, -1));

  it("has a test for each promise, and it is there", () => {
    expect(rows.length).toBeGreaterThan(30);
    for (const [promise, , cell = ""] of rows) {
      const named = namedIn(cell);
      expect.soft(named.length, promise).toBeGreaterThan(0);
      for (const [name, files] of named) expect.soft(files.length, `${promise}: ${name}`).toBeGreaterThan(0);
    }
  });

  it("calls the tests by their names", () => {
    for (const [promise, , cell = ""] of rows) {
      const text = namedIn(cell)
        .flatMap(([, files]) => files)
        .filter((file) => file.endsWith(".ts"))
        .map(read)
        .join("\n");
      for (const [, name = ""] of cell.matchAll(/“([^”]+)”/g)) expect.soft(text, promise).toContain(`"${name}"`);
    }
  });
});
