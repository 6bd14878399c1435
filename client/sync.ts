import type { Account } from "./account.js";
import { fullJitterMs, type Backoff } from "./backoff.js";
import { asParleyError, retryable, type ParleyError } from "./errors.js";
import type { Platform } from "./platform.js";
import type { Conversation, Frame, SyncRequest, SyncResult } from "./protocol.js";

/** Fetches what was missed: the whole account after each connect, single conversations when they show a gap. */
export type Sync = {
  /** A new connection to this epoch. Everything of another epoch is dropped before anything is asked. */
  readonly start: (epoch: string) => void;
  readonly stop: () => void;
  /** Frames may be missing: of one conversation, or of any. */
  readonly require: (conversationId?: string) => void;
  /** A live frame moved the conversation: its cursor is ahead of the token. */
  readonly noteMoved: (conversationId: string) => void;
  /** How many are unread in a conversation only the server knows now. */
  readonly recount: () => void;
  /** Looks for gaps. */
  readonly wake: () => void;
};

export type SyncOptions = {
  readonly platform: Platform;
  readonly account: Account;
  readonly request: (type: string, payload: object) => Promise<Frame>;
  readonly fetchConversation: (conversationId: string) => Promise<Conversation>;
  readonly backoff: Backoff;
  readonly frameBytesMax: () => number;
  /** The whole account has been asked for, successfully or not: requests may be sent now. */
  readonly onAttempted: () => void;
  readonly onSynced: () => void;
  readonly onDropped: () => void;
  readonly onErased: (userId: string) => void;
  readonly onError: (error: ParleyError) => void;
};

/** What the server takes: cursors a request, changes of a conversation. */
const cursorsMax = 1000;
const changesMax = 1000;
/** Around each id in `cursors`: quotes, colon, position, comma. */
const cursorBytes = 24;

export function createSync(options: SyncOptions): Sync {
  const { account, platform } = options;
  let epoch: string | undefined;
  let token: string | undefined;
  /** Ahead of the token by live frames, or never covered by one. */
  let movedSinceToken = new Set<string>();
  let movedSinceRequest = new Set<string>();
  /** To be asked about although they show no gap: an entry was cut short, or the server said so. */
  const suspected = new Set<string>();
  let stopRecount: (() => void) | undefined;
  let connected = false;
  let wholeDue = false;
  /** Of the connection; work of an older one ends by itself. */
  let generation = 0;
  let workingFor = -1;
  let stopPause: (() => void) | undefined;

  const drop = (): void => {
    account.drop();
    token = undefined;
    movedSinceToken = new Set();
    suspected.clear();
    options.onDropped();
  };

  /** At most one request's worth. Those that find no room stay suspected, for the next request. */
  const takeCursors = (ids: Iterable<string>): Record<string, number> => {
    const cursors: Record<string, number> = {};
    let count = 0;
    let bytes = 0;
    for (const id of ids) {
      bytes += id.length + cursorBytes;
      if (count >= cursorsMax || bytes > options.frameBytesMax() / 2) {
        suspected.add(id);
        continue;
      }
      count += 1;
      cursors[id] = account.conversations.get(id)?.pos ?? -1;
      suspected.delete(id);
    }
    return cursors;
  };

  const refreshInfo = (conversationId: string, mine: number): void => {
    options.fetchConversation(conversationId).then(
      (info) => {
        if (mine === generation) account.apply(conversationId, { kind: "info", info });
      },
      (thrown: unknown) => {
        options.onError(asParleyError(thrown, "DISCONNECTED", `conversation ${conversationId}`));
      },
    );
  };

  const applyAnswer = (answer: SyncResult, mine: number): void => {
    for (const userId of answer.erased ?? []) options.onErased(userId);
    for (const entry of answer.conversations) {
      const { conversationId } = entry;
      if (!account.apply(conversationId, { kind: "entry", entry })) {
        // What cannot be read is not asked for again and again: history has what became of it.
        account.apply(conversationId, { kind: "entry", entry: { ...entry, changes: [], reset: true } });
      }
      // A reset drops what live frames brought since the request was made: ask for that part again.
      if (entry.hasMore || (entry.reset && movedSinceRequest.has(conversationId))) suspected.add(conversationId);
      // Older than what live frames brought, or than the own cursor: the next one will count that.
      if (account.unreadEstimated.has(conversationId)) suspected.add(conversationId);
      const known = account.conversations.get(conversationId);
      if (known?.membership !== "left" && (entry.reset || known?.info === undefined)) refreshInfo(conversationId, mine);
    }
    for (const summary of answer.newConversations) {
      account.apply(summary.conversation.conversationId, { kind: "summary", summary });
    }
    for (const conversationId of answer.left) {
      // A live frame that came after the request knows better: the user may have joined again since.
      if (movedSinceRequest.has(conversationId) || !account.conversations.has(conversationId)) continue;
      suspected.delete(conversationId);
      account.apply(conversationId, { kind: "left" });
    }
  };

  /** One request with all its pages. Resolves with false when the connection changed meanwhile. */
  const ask = async (request: SyncRequest, mine: number): Promise<boolean> => {
    movedSinceRequest = new Set();
    let next: string | undefined;
    do {
      const payload: SyncRequest = { ...request, limit: changesMax, ...(next === undefined ? {} : { next }) };
      const answer = (await options.request("sync", payload)).payload as SyncResult;
      if (mine !== generation) return false;
      // Its further pages repeat the request, and so may say `reset` again.
      if (answer.reset && next === undefined) {
        drop();
        // What live frames brought since the request was made went with the rest: ask for that part again.
        for (const id of movedSinceRequest) suspected.add(id);
      }
      epoch = answer.epoch;
      applyAnswer(answer, mine);
      next = answer.next;
      if (answer.token !== undefined) {
        token = answer.token;
        movedSinceToken = new Set(movedSinceRequest);
      }
    } while (next !== undefined);
    return true;
  };

  const askWhole = async (mine: number): Promise<void> => {
    wholeDue = false;
    const ahead = token === undefined ? memberships() : movedSinceToken;
    const cursors = takeCursors(new Set([...suspected, ...account.gapped, ...account.unreadEstimated, ...ahead]));
    try {
      const done = await ask({ ...identity(), ...(Object.keys(cursors).length === 0 ? {} : { cursors }) }, mine);
      if (done) options.onSynced();
    } catch (thrown) {
      for (const id of Object.keys(cursors)) suspected.add(id);
      wholeDue = true;
      throw thrown;
    }
  };

  const memberships = (): string[] =>
    [...account.conversations.values()]
      .filter(({ membership }) => membership === "member")
      .map(({ conversationId }) => conversationId);

  const identity = (): SyncRequest => ({
    ...(epoch === undefined ? {} : { epoch }),
    ...(token === undefined ? {} : { token }),
  });

  /** Resolves with false when nothing came of it: then the next attempt has to wait. */
  const askGapped = async (mine: number): Promise<boolean> => {
    const cursors = takeCursors(new Set([...account.gapped, ...suspected]));
    try {
      await ask({ ...(epoch === undefined ? {} : { epoch }), cursors, only: true }, mine);
    } catch (thrown) {
      for (const id of Object.keys(cursors)) suspected.add(id);
      throw thrown;
    }
    const stuck = ([id, pos]: [string, number]) =>
      account.unreadEstimated.has(id) ||
      ((account.gapped.has(id) || suspected.has(id)) && (account.conversations.get(id)?.pos ?? -1) <= pos);
    return !Object.entries(cursors).some(stuck);
  };

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const stopTimer = platform.startTimer(resolve, delayMs);
      stopPause = () => {
        stopTimer();
        resolve();
      };
    });

  const refused = (thrown: unknown): number => {
    const error = asParleyError(thrown, "PROTOCOL", "sync");
    options.onError(error);
    // The request itself is not understood, so its token is of no use: start over.
    if (retryable(error) === "never") token = undefined;
    return error.retryAfterMs ?? 0;
  };

  const work = async (): Promise<void> => {
    const mine = generation;
    if (workingFor === mine || epoch === undefined) return;
    workingFor = mine;
    let failures = 0;
    while (mine === generation && (wholeDue || account.gapped.size > 0 || suspected.size > 0)) {
      const whole = wholeDue;
      let delayMs: number | undefined;
      try {
        if (whole) await askWhole(mine);
        else if (!(await askGapped(mine))) delayMs = 0;
      } catch (thrown) {
        if (mine !== generation) break;
        delayMs = refused(thrown);
      }
      if (mine !== generation) break;
      // Accepting does not depend on the views: when they are out of order, messages are sent all the same.
      if (whole) options.onAttempted();
      failures = delayMs === undefined ? 0 : failures + 1;
      if (delayMs !== undefined) await pause(delayMs + fullJitterMs(options.backoff, failures, platform.random));
    }
    if (workingFor === mine) workingFor = -1;
  };

  return {
    start: (connectedEpoch) => {
      generation += 1;
      connected = true;
      if (epoch !== undefined && epoch !== connectedEpoch) drop();
      epoch = connectedEpoch;
      wholeDue = true;
      void work();
    },
    stop: () => {
      generation += 1;
      connected = false;
      stopPause?.();
      stopPause = undefined;
      stopRecount?.();
      stopRecount = undefined;
    },
    require: (conversationId) => {
      if (conversationId === undefined) wholeDue = true;
      else suspected.add(conversationId);
      void work();
    },
    noteMoved: (conversationId) => {
      movedSinceToken.add(conversationId);
      movedSinceRequest.add(conversationId);
    },
    recount: () => {
      if (!connected) return; // the next connection's first request asks for it
      // Every device of a large group may have to ask: not all at once, and once for what comes together.
      stopRecount ??= platform.startTimer(
        () => {
          stopRecount = undefined;
          for (const id of account.unreadEstimated) suspected.add(id);
          void work();
        },
        fullJitterMs(options.backoff, 1, platform.random),
      );
    },
    wake: () => void work(),
  };
}
