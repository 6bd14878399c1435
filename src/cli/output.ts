/** How commands speak: tables and colours for people, one JSON text a line for machines. */

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90 } as const;
export type Colour = keyof typeof colours;

/** Colours only where a person looks, and only if they want them (https://no-color.org). */
export const paint = (colour: Colour, text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== "dumb"
    ? `\u001b[${colours[colour]}m${text}\u001b[0m`
    : text;

/** Stored text could hold sequences that move a terminal's cursor: they are shown, not obeyed. */
export const harmless = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Columns as wide as their widest cell; numbers to the right. A heading for each column. */
export const table = (headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "number" ? grouped(cell) : harmless(cell))));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = headings.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [paint("grey", line(headings)), ...cells.map(line)].join("\n");
};

/** 1234567 → 1,234,567 */
export const grouped = (value: number): string => value.toLocaleString("en-US");

/** "1 event", "2,000 events": for nouns that take an s. */
export const counted = (value: number, noun: string): string => `${grouped(value)} ${noun}${value === 1 ? "" : "s"}`;

export const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
export const sayJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};
/** What is not the result: progress, hints, warnings. */
export const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** The next useful command, for people only. */
export const next = (...commands: readonly string[]): void => {
  say(`\n${paint("grey", "Try next:")}\n${commands.map((command) => `  ${command}`).join("\n")}`);
};

/**
 * A line on stderr that is written over again and again, only where a person looks: the share that is done, the rate a
 * second and the time that is left. The result ends it. `done` and `of` are of one unit, `unit` is what it is called.
 */
export const progress = (
  label: string,
  unit = "events",
): { readonly show: (done: number, of: number) => void; readonly end: () => void } => {
  let began: { readonly at: number; readonly done: number } | undefined;
  let shownAt = 0;
  return {
    show: (done, of) => {
      const now = performance.now();
      began ??= { at: now, done };
      if (!process.stderr.isTTY || now - shownAt < 100) return;
      shownAt = now;
      process.stderr.write(
        `\r${progressLine(label, unit, { done, of, since: began.done, ms: now - began.at })}\u001b[K`,
      );
    },
    end: () => {
      if (shownAt > 0) process.stderr.write("\r\u001b[K");
    },
  };
};

/**
 * `since`: what was done already when the clock began, which a resumed work brings with it. `of` 0: how much there is is
 * not known, and is not said.
 */
export const progressLine = (
  label: string,
  unit: string,
  { done, of, since, ms }: { readonly done: number; readonly of: number; readonly since: number; readonly ms: number },
): string => {
  const rate = ms < 500 ? 0 : ((done - since) / ms) * 1_000;
  if (of <= 0 && done > 0)
    return `${label} ${grouped(done)} ${unit}${rate <= 0 ? "" : `, ${grouped(Math.round(rate))} ${unit}/s`}`;
  const share = of <= 0 ? 1 : Math.min(1, done / of);
  const bar = "#".repeat(Math.round(share * 30)).padEnd(30, ".");
  const speed = rate <= 0 ? "" : `, ${grouped(Math.round(rate))} ${unit}/s, ${timeLeft((of - done) / rate)} left`;
  return `${label} [${bar}] ${Math.floor(share * 100)} % of ${grouped(of)}${speed}`;
};

const timeLeft = (seconds: number): string => {
  const left = Math.max(0, Math.ceil(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3_600) return `${Math.floor(left / 60)} min ${left % 60} s`;
  return `${Math.floor(left / 3_600)} h ${Math.floor((left % 3_600) / 60)} min`;
};
