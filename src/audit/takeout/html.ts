/** Pages for people, which open from a disk: without scripts, and without anything from elsewhere. */

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** What steers the direction of writing could make a text look like another: it is shown by its name. */
const hidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const escaped = (text: string): string =>
  text
    .replace(hidden, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replace(/[&<>"']/g, (char) => escapes[char] ?? char);

const style = `
:root { color-scheme: light dark; --ink: #1c2733; --dim: #5d6b7a; --paper: #f4f6f8; --card: #fff; --line: #dde3ea; --own: #e3f0ff; --accent: #1463b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --dim: #98a6b5; --paper: #12171d; --card: #1b222a; --line: #2c3641; --own: #173250; --accent: #7db7f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.lead, time, .dim { color: var(--dim); }
a { color: var(--accent); }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; padding: .45rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--dim); font-size: .85rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
ol { list-style: none; margin: 1rem 0; padding: 0; }
li.said { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .5rem .8rem; margin: .4rem 4rem .4rem 0; }
li.own { background: var(--own); margin: .4rem 0 .4rem 4rem; }
li.note { color: var(--dim); font-size: .9rem; text-align: center; margin: .7rem 1rem; overflow-wrap: anywhere; }
li.day { text-align: center; font-weight: 600; margin: 1.5rem 0 .5rem; }
.who { font-weight: 600; font-size: .9rem; overflow-wrap: anywhere; }
.who time { font-weight: 400; margin-left: .5rem; font-size: .85rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
nav { display: flex; gap: 1.5rem; flex-wrap: wrap; margin: 1rem 0; }`;

/** `body` is HTML already. */
export const htmlPage = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}
</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;

/** Headings that begin with `#` are of numbers. Cells are HTML already. */
export const htmlTable = (headings: readonly string[], rows: readonly (readonly string[])[]): string => {
  const kind = headings.map((heading) => (heading.startsWith("#") ? ' class="n"' : ""));
  const head = headings.map((heading, column) => `<th${kind[column] ?? ""}>${escaped(heading.replace(/^#/, ""))}</th>`);
  const body = rows.map(
    (row) => `<tr>${row.map((cell, column) => `<td${kind[column] ?? ""}>${cell}</td>`).join("")}</tr>`,
  );
  const first = headings.some((heading) => heading !== "") ? [`<tr>${head.join("")}</tr>`] : [];
  return `<table>\n${[...first, ...body].join("\n")}\n</table>`;
};
