/** Filters of `$all`: by stream name or event type, by prefixes or by a regular expression. */
import { createContext, Script } from "node:vm";
import type { RecordedEvent } from "../domain/kernel/stream.js";
import { invalid, type CallError } from "./errors.js";
import type { streams } from "./proto.js";

type FilterOptions = InstanceType<typeof streams.ReadReq.Options.FilterOptions>;
type Expression = InstanceType<typeof streams.ReadReq.Options.FilterOptions.Expression>;

/** The events of a page that pass. @throws CallError INVALID_ARGUMENT for an expression that takes too long */
export type Select = (page: readonly RecordedEvent[]) => readonly RecordedEvent[];
export type Filter = {
  readonly select: Select;
  /** A checkpoint is due after so many considered events; 0 for never. */
  readonly checkpointEvents: number;
};

const regexCharsMax = 1_024;
const prefixesMax = 1_024;
/** What an expression may take of this process, which serves all other clients in the same thread; milliseconds. */
export type RegexLimits = {
  /** At a stretch, for one page of names. */
  readonly pageMsMax: number;
  /** For each page in the long run. */
  readonly pageMsAllowed: number;
  /** What a call may take beyond that, all its pages together; what a page leaves of its allowance fills it up again. */
  readonly callMsMax: number;
};
/** A sane expression needs less than one for a page, the time limit's own cost included. */
const regexLimits: RegexLimits = { pageMsMax: 25, pageMsAllowed: 2, callMsMax: 250 };
/** Of one page, where the machine and not the expression took the time. */
const regexTriesMax = 8;
/** EventStoreDB's own default. */
const searchWindowDefault = 32;
/** What `excludeSystemEvents` of the clients asks for. */
const notSystem = "^[^$].*";

/** One for each call. @throws CallError INVALID_ARGUMENT for a filter that makes no sense */
export const filterOf = (options: FilterOptions | undefined, limits = regexLimits): Filter => {
  if (options === undefined) return { select: (page) => page, checkpointEvents: 0 };
  const window = options.hasMax() ? options.getMax() : searchWindowDefault;
  const checkpointEvents = Math.max(1, window) * Math.max(1, options.getCheckpointintervalmultiplier());
  const byStream = options.getStreamIdentifier();
  const expression = byStream ?? options.getEventType();
  if (expression === undefined) return { select: (page) => page, checkpointEvents };
  const key = byStream === undefined ? "type" : "stream";
  return { select: selectBy(expression, (event) => event[key], limits), checkpointEvents };
};

type TextOf = (event: RecordedEvent) => string;

const selectBy = (expression: Expression, textOf: TextOf, limits: RegexLimits): Select => {
  const regex = expression.getRegex();
  if (regex === notSystem) return (page) => page.filter((event) => /^[^$]/.test(textOf(event)));
  if (regex !== "") return selectByRegex(regex, textOf, limits);
  const prefixes = expression.getPrefixList();
  if (prefixes.length > prefixesMax) throw invalid(`A filter has at most ${prefixesMax} prefixes.`);
  return (page) => page.filter((event) => prefixes.some((prefix) => textOf(event).startsWith(prefix)));
};

/**
 * A reader's expression must not hold up this process, which serves clients and the log too: each page is run with a time
 * limit, which costs some 0.2 ms, and a call whose pages take long one after the other is ended.
 */
const selectByRegex = (regex: string, textOf: TextOf, limits: RegexLimits): Select => {
  if (regex.length > regexCharsMax) throw invalid(`A filter's expression has at most ${regexCharsMax} characters.`);
  const sandbox: { regex: string; texts: readonly string[] } = { regex, texts: [] };
  const context = createContext(sandbox);
  try {
    new Script("compiled = new RegExp(regex)").runInContext(context);
  } catch (error) {
    throw invalid(`The filter's expression cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const test = new Script("texts.map((text) => compiled.test(text))");
  const budget = createBudget(limits);
  return (page) => {
    sandbox.texts = page.map(textOf);
    const passed = run(test, context, budget, limits);
    return page.filter((_, index) => passed[index]);
  };
};

const run = (
  test: Script,
  context: ReturnType<typeof createContext>,
  budget: Budget,
  { pageMsMax }: RegexLimits,
): readonly boolean[] => {
  for (let tries = 1; ; tries++) {
    const taken = stopwatch();
    try {
      const passed = test.runInContext(context, { timeout: pageMsMax }) as readonly boolean[];
      budget.spend(taken());
      return passed;
    } catch (error) {
      if (!isTimeout(error)) throw failed(error);
      // The limit is the wall clock's: a process that hardly ran meanwhile was held up by the machine.
      const isHeldUp = taken() < pageMsMax / 2;
      if (!isHeldUp || tries >= regexTriesMax) throw tooSlow(`more than ${pageMsMax} ms for one page of events`);
    }
  }
};

type Budget = { /** @throws CallError when the call has nothing left */ readonly spend: (ms: number) => void };

const createBudget = ({ pageMsAllowed, callMsMax }: RegexLimits): Budget => {
  let left = callMsMax;
  return {
    spend: (ms) => {
      left = Math.min(callMsMax, left + pageMsAllowed - ms);
      if (left < 0) throw tooSlow(`${callMsMax} ms more than ${pageMsAllowed} ms for each page of events`);
    },
  };
};

/** Milliseconds that this thread may have run: the process has no clock of one thread, only of all and of the wall. */
const stopwatch = (): (() => number) => {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return Math.min((user + system) / 1_000, performance.now() - wall);
  };
};

/** The error may be one of the expression's own context, which is no instance of this one's Error. */
const isTimeout = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";

const tooSlow = (taken: string): CallError =>
  invalid(`The filter's expression is too slow: it took ${taken}. Take a simpler one, or prefixes.`);

const failed = (error: unknown): CallError =>
  invalid(`The filter's expression failed: ${error instanceof Error ? error.message : String(error)}`);
