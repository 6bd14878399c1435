/** docs/PROTOCOL.md as data: what its tables and blocks name. */
import { readFileSync } from "node:fs";

const text = readFileSync("docs/PROTOCOL.md", "utf8");

/** What stands below the heading `## n. …`. */
const section = (n: number): string => new RegExp(`^## ${n}\\. [^]*?(?=^## |(?![^]))`, "m").exec(text)?.[0] ?? "";

/** The rows of a section's tables; a `|` in a cell is escaped or between backticks. */
const rowsOf = (n: number): readonly (readonly string[])[] =>
  section(n)
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("|---"))
    .map((line) => line.replace(/`[^`]*`/g, (code) => code.replaceAll("|", "\0")))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.replaceAll("\0", "|").trim()),
    )
    .slice(1);

const codesIn = (cell: string): readonly string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);

/** Without the marks of code and what is said in brackets beside it. */
const plain = (cell: string): string => cell.replace(/`? \([^()]*\)`?/g, " ").replaceAll("`", "");

/** From the brace at `start` to its own end. */
const braced = (said: string, start: number): string => {
  let depth = 0;
  for (let end = start; end < said.length; end += 1) {
    if ("{[".includes(said.charAt(end))) depth += 1;
    if ("}]".includes(said.charAt(end))) depth -= 1;
    if (depth === 0) return said.slice(start + 1, end);
  }
  throw new Error(`no end of the braces in ${said.slice(start)}`);
};

/** `a, b?: { c }, "d"?` → a, b?, d?: the names on the outside. */
const fieldsOf = (list: string): readonly string[] => {
  let depth = 0;
  let outside = "";
  for (const char of list) {
    if ("{[".includes(char)) depth += 1;
    if (depth === 0) outside += char;
    if ("}]".includes(char)) depth -= 1;
  }
  return outside
    .split(/[,+]/)
    .map((field) => /^\s*"?(\w+)"?(\?)?/.exec(field))
    .flatMap((found) => (found === null ? [] : [`${found[1] ?? ""}${found[2] ?? ""}`]))
    .toSorted();
};

type Frames = ReadonlyMap<string, readonly string[]>;

/** Frames that are said as `name { fields }`, in blocks, tables and sentences. */
const framesSaid = (said: string): Frames => {
  const all = plain(said.replace("`ack` has `payload", "`ack"));
  const names = all.matchAll(/(?<![\w.])([a-z]+(?:\.[a-z]+)?) (?=\{)/g);
  return new Map(
    Array.from(names, ({ 0: whole, 1: name = "", index }) => [name, fieldsOf(braced(all, index + whole.length))]),
  );
};

/** The first `{ … }` of a cell, or of each of the parts of one that ` · ` divides. */
const payloadsOf = (cell: string): readonly (readonly string[])[] =>
  plain(cell)
    .split(" · ")
    .map((part) => (part.includes("{") ? fieldsOf(braced(part, part.indexOf("{"))) : []));

const connection = framesSaid(section(3));
const answers = framesSaid(section(4));
/** The body of sync, and its answer: the two objects of the block. */
const [syncBody = [], syncAnswer = []] = (/^( {4}.*\n)+/m.exec(section(7))?.[0] ?? "")
  .split("→")
  .map((part) => fieldsOf(braced(plain(part), plain(part).indexOf("{"))));

/** §4, by type: the fields of the payload (optional ones with `?`) and the type of the answer. */
export const clientFrames = (): ReadonlyMap<
  string,
  { readonly fields: readonly string[]; readonly answer: string }
> => {
  const all = new Map<string, { fields: readonly string[]; answer: string }>();
  for (const [types = "", payload = "", answer = ""] of rowsOf(4)) {
    const answered = codesIn(answer).map((code) => /^[\w.]+/.exec(code)?.[0] ?? "");
    for (const [index, type] of codesIn(types).entries())
      all.set(type, {
        fields: clientFields(type, payload),
        answer: answered[index] ?? answered[0] ?? "none",
      });
  }
  return all;
};

const clientFields = (type: string, cell: string): readonly string[] => {
  if (cell === "see 3") return connection.get(type) ?? [];
  if (cell.includes("POST /api/v1/sync")) return syncBody;
  const [one = "", ...others] = plain(cell).split(", or ");
  if (others.length === 0) return fieldsOf(one);
  // Of several forms each is complete: no field is in all of them.
  return [one, ...others].flatMap((form) => fieldsOf(form).map((name) => `${name}?`)).toSorted();
};

/** §3 to §5, by type: the fields of the payload. */
export const serverFrames = (): Frames => {
  const asked = clientFrames();
  const all = new Map([...connection, ...answers].filter(([type]) => !asked.has(type)));
  all.set("sync.result", syncAnswer);
  for (const [types = "", payload = ""] of rowsOf(5)) {
    const payloads = payloadsOf(payload);
    for (const [index, type] of codesIn(types).entries()) all.set(type, payloads[index] ?? []);
  }
  // “the `error` frame has the same fields with `code`”: §8's, and the ids.
  const body = /REST: `(\{.*?\})` \(/.exec(section(8))?.[1] ?? "{}";
  const inBody = fieldsOf(braced(plain(body), 0)).filter((name) => name !== "error");
  all.set("error", [...new Set([...(all.get("error") ?? []), ...inBody])].toSorted());
  return all;
};

/** §3: code → what the client does. */
export const closeCodes = (): ReadonlyMap<number, string> =>
  new Map(rowsOf(3).map(([code, , client = ""]) => [Number(code), client] as const));

/** §8, by code: the HTTP status, and whether the same request may succeed later. */
export const errorCodes = (): ReadonlyMap<string, { readonly status: number; readonly retry: boolean }> =>
  new Map(
    rowsOf(8).flatMap(([status, codes = "", when = ""]) => {
      const retry = /with `retryAfter`|retry with the same key/.test(when);
      return codesIn(codes).map((code) => [code, { status: Number(status), retry }] as const);
    }),
  );

type Request = { readonly query: readonly string[]; readonly body: readonly string[] };

/** §6, by call as `METHOD /path`: what it may ask, and the fields of its body (optional ones with `?`). */
export const requests = (): ReadonlyMap<string, Request> => new Map(rowsOf(6).flatMap(requestsIn));

const requestsIn = ([calls = "", said = ""]: readonly string[]): readonly (readonly [string, Request])[] => {
  const codes = codesIn(calls);
  const parts = said.split(" · ");
  return codes.flatMap((call, index) => {
    const [, methods = "", target = ""] = /^([A-Z]+(?: · [A-Z]+)*) (\S+)/.exec(call) ?? [];
    const [path = "", query = ""] = target.split("?");
    // A row of several calls says of each what it takes, or the same of all; what is short stands beside the call.
    const about = call.includes("{ ") ? call : parts.length === codes.length ? parts[index] : said;
    const body = path === "/sync" ? syncBody : firstObject(about?.split("→")[0] ?? "");
    return methods.split(" · ").map((method) => {
      const hasBody = method !== "GET" && method !== "DELETE";
      const asked = query === "" ? [] : query.split(/[&|]/).toSorted();
      return [`${method} ${wholePath(path)}`, { query: asked, body: hasBody ? body : [] }] as const;
    });
  });
};

/** A parameter of a path has its name right behind the brace. */
const firstObject = (said: string): readonly string[] => {
  const all = plain(said);
  return all.includes("{ ") ? fieldsOf(braced(all, all.indexOf("{ "))) : [];
};

/** §6: the values of the inbox's `archived`. */
export const archivedValues = (): readonly string[] => {
  const said = /without `archived` \(or .*? all;/.exec(section(6))?.[0] ?? "";
  return codesIn(said).filter((code) => code !== "archived");
};

/** §4, by type: the fields of a message's content (optional ones with `?`). */
export const contents = (): Frames => {
  const said = plain(/^`content`: [^]*?\n\n/m.exec(section(4))?.[0] ?? "");
  return new Map(
    Array.from(said.matchAll(/\{ type: ((?:"\w+"\|?)+)/g)).flatMap(({ index, 1: types = "" }) => {
      const fields = [...fieldsOf(braced(said, index)), "metadata?"].toSorted();
      return types.split("|").map((type) => [type.replaceAll('"', ""), fields] as const);
    }),
  );
};

/** `…` is the conversation; `{id}` is of what stands before it; queries are the codecs'. */
const wholePath = (path: string): string =>
  path
    .replace("…", "/conversations/{id}")
    .replace("/conversations/{id}", "/conversations/{conversationId}")
    .replace("/media/{id}", "/media/{mediaId}");
