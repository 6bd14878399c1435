/** Filters of `$all`: by stream name or event type, by prefixes or by a regular expression. */
import { createContext, Script } from "node:vm";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { invalid } from "./facade-errors.js";
import type { streams } from "./facade-proto.js";

type FilterOptions = InstanceType<typeof streams.ReadReq.Options.FilterOptions>;
type Expression = InstanceType<typeof streams.ReadReq.Options.FilterOptions.Expression>;

/** The events of a page that pass. @throws CallError for an expression that takes too long. */
export type Select = (page: readonly RecordedEvent[]) => readonly RecordedEvent[];
export type Filter = {
  readonly select: Select;
  /** A checkpoint is due after so many considered events; 0 for never. */
  readonly checkpointEvents: number;
};

const regexCharsMax = 1_024;
const prefixesMax = 1_024;
/** For one page of at most a few hundred names, of which a sane expression needs less than one. */
const regexMsMax = 250;
/** The limit is the wall clock's: a busy machine may have held this process up instead. */
const regexTriesMax = 3;
/** EventStoreDB's own default. */
const searchWindowDefault = 32;
/** What `excludeSystemEvents` of the clients asks for. */
const notSystem = "^[^$].*";

/** @throws CallError INVALID_ARGUMENT for a filter that makes no sense */
export const filterOf = (options: FilterOptions | undefined): Filter => {
  if (options === undefined) return { select: (page) => page, checkpointEvents: 0 };
  const window = options.hasMax() ? options.getMax() : searchWindowDefault;
  const checkpointEvents = Math.max(1, window) * Math.max(1, options.getCheckpointintervalmultiplier());
  const byStream = options.getStreamIdentifier();
  const expression = byStream ?? options.getEventType();
  if (expression === undefined) return { select: (page) => page, checkpointEvents };
  const key = byStream === undefined ? "type" : "stream";
  return { select: selectBy(expression, (event) => event[key]), checkpointEvents };
};

const selectBy = (expression: Expression, textOf: (event: RecordedEvent) => string): Select => {
  const regex = expression.getRegex();
  if (regex === notSystem) return (page) => page.filter((event) => /^[^$]/.test(textOf(event)));
  if (regex !== "") return selectByRegex(regex, textOf);
  const prefixes = expression.getPrefixList();
  if (prefixes.length > prefixesMax) throw invalid(`A filter has at most ${prefixesMax} prefixes.`);
  return (page) => page.filter((event) => prefixes.some((prefix) => textOf(event).startsWith(prefix)));
};

/**
 * A reader's expression must not hold up this process, which may be a gateway: it is run with a time limit, which costs
 * some 0.2 ms a page.
 */
const selectByRegex = (regex: string, textOf: (event: RecordedEvent) => string): Select => {
  if (regex.length > regexCharsMax) throw invalid(`A filter's expression has at most ${regexCharsMax} characters.`);
  const sandbox: { regex: string; texts: readonly string[] } = { regex, texts: [] };
  const context = createContext(sandbox);
  try {
    new Script("compiled = new RegExp(regex)").runInContext(context);
  } catch (error) {
    throw invalid(`The filter's expression cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const test = new Script("texts.map((text) => compiled.test(text))");
  return (page) => {
    sandbox.texts = page.map(textOf);
    const passed = run(test, context);
    return page.filter((_, index) => passed[index]);
  };
};

const run = (test: Script, context: ReturnType<typeof createContext>): readonly boolean[] => {
  for (let tries = 1; ; tries++) {
    try {
      return test.runInContext(context, { timeout: regexMsMax }) as readonly boolean[];
    } catch (error) {
      if (tries >= regexTriesMax)
        throw invalid(`The filter's expression failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
};
