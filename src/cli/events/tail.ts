import { Command, Option } from "commander";
import {
  eventTypes,
  openLogInspection,
  type EventFilter,
  type LogInspection,
  type ShownEvent,
} from "../../operate/inspect/log.js";
import { openingOf, summaryOf, withOpening, type OpeningOptions } from "./output.js";
import { fail, hidingSecrets } from "../failure.js";
import { sameTarget, someText, targetOf, time, wholeNumber, withTarget } from "../options.js";
import { harmless, next, note, say, sayJson } from "../output.js";
import { recordFirst, type PrivilegedRead } from "../recorded.js";
import { asPosition, laterOf, noPosition } from "../../domain/kernel/stream.js";

type Options = OpeningOptions & {
  readonly follow?: true;
  readonly from?: number;
  readonly limit?: number;
} & EventFilter;

/** Of a tail that says nothing else. */
const limitDefault = 20;

export const tailCommand = withOpening(withTarget(new Command("tail")))
  .description("Print the newest events, or those from a position on; follow the log.")
  .option("-f, --follow", "go on with what comes, until interrupted")
  .option("--from <position>", "start here (inclusive) instead of at the end", wholeNumber(0))
  .addOption(
    new Option(
      "--limit <n>",
      `how many at most (default ${limitDefault}; none with --since, or when following from a position)`,
    ).argParser(wholeNumber(1)),
  )
  .option("--since <time>", "only what was written at this time or later: 2026-11-22T10:00Z, UTC unless it says", time)
  .option("--stream <name>", "only this stream, such as conversation-g_… or user-alice", someText)
  .option("--type <type>", "only events of this type, such as MessageSent", someText)
  .option("--user <id>", "only what this user did", someText)
  .addHelpText(
    "after",
    `
One event a line, content sealed; --json prints whole events, one a line. With --follow, --limit is for what is there already.
Exit code: 0 done (or interrupted), 1 the log cannot be read, 2 wrong usage.`,
  )
  .action(async (options: Options) => {
    try {
      const target = targetOf(options);
      if (options.open) await recordFirst(target, options, { kind: "events.open", scope: scopeOf(options) });
      const log = await openLogInspection(target, openingOf(options, process.env));
      try {
        await tail(log, options);
      } finally {
        await log.close();
      }
    } catch (error) {
      fail(error);
    }
  });

const tail = async (log: LogInspection, options: Options): Promise<void> => {
  const { from = options.since === undefined ? undefined : 1, follow, json } = options;
  const filter = filterOf(options);
  const head = await log.head();
  await noteUnknown(log, filter);
  let last: ShownEvent | undefined;
  const print = (event: ShownEvent): void => {
    last = event;
    if (json) sayJson(event);
    else say(summaryOf(event));
  };
  if (from === undefined) {
    for (const event of await log.newest(filter, options.limit ?? limitDefault)) print(event);
  } else {
    const isUnlimited = follow === true || options.since !== undefined;
    const limit = options.limit ?? (isUnlimited ? Number.MAX_SAFE_INTEGER : limitDefault);
    for await (const event of log.from(filter, asPosition(from), limit)) print(event);
  }
  if (follow) {
    // What came between reading the head and printing is in both: the larger of the two is where it goes on.
    const after = laterOf(head, last?.position ?? noPosition);
    for await (const event of log.follow(filter, after, interrupted(), noteAway())) print(event);
  } else if (!json) {
    suggest(last, options);
  }
};

const filterOf = ({ stream, type, since, user }: Options): EventFilter => ({
  ...(stream === undefined ? {} : { stream }),
  ...(type === undefined ? {} : { type }),
  ...(since === undefined ? {} : { since }),
  ...(user === undefined ? {} : { user }),
});

const scopeOf = ({ since, from, limit, stream, type, user, follow }: Options): PrivilegedRead["scope"] => ({
  ...{ stream, type, user, from, limit },
  ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
  ...(follow === true ? { follow: "yes" } : {}),
});

/** A misspelt name must not look like a log in which nothing happened. */
const noteUnknown = async (log: LogInspection, { stream, type }: EventFilter): Promise<void> => {
  if (type !== undefined && !eventTypes.includes(type))
    note(`Parley writes no events of type ${harmless(type)}; its types are ${eventTypes.join(", ")}.`);
  if (stream !== undefined && (await log.lastRevision(stream)) === undefined)
    note(`There is no stream ${harmless(stream)} in the log.`);
};

const suggest = (last: ShownEvent | undefined, options: Options): void => {
  const data = sameTarget(targetOf(options));
  if (last === undefined) {
    note("No event passes.");
    next(`parley events stats ${data}     which types and streams there are`);
  } else {
    const more = `parley events tail --from ${last.position + 1} ${data}`;
    next(
      `parley events show ${last.position} ${data}`,
      options.from === undefined ? `parley events tail --follow ${data}` : more,
    );
  }
};

/** Once: an engine that is away says the same with every attempt. */
const noteAway = (): ((error: Error) => void) => {
  let isSaid = false;
  return ({ message }) => {
    if (!isSaid) note(`The log does not answer, and is asked again: ${hidingSecrets(message)}`);
    isSaid = true;
  };
};

/** Ends the following, not the process: what is open is closed. */
const interrupted = (): AbortSignal => {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort();
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return controller.signal;
};
