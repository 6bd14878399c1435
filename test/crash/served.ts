import type { Client, HistoryPage, InboxPage, Message, Summary, SyncResult } from "../../client/index.js";
import { emptyConversation, type ConversationState } from "../../client/conversation.js";
import { step } from "../../client/reducer.js";
import { shownOf, type Shown } from "../kit/history.js";
import { textsIn } from "./tap.js";
import type { Device } from "./load.js";

/** What a user sees of a conversation, whatever it came by. */
export type View = { readonly whose: string; readonly conversationId: string; readonly messages: readonly Shown[] };

/** All that a server tells one user who asks for everything: inbox, whole histories, and sync from the very start. */
export type Served = {
  readonly userId: string;
  readonly summaries: readonly Summary[];
  readonly views: readonly View[];
  /** Texts anywhere in the answers. */
  readonly texts: ReadonlySet<string>;
};

export const servedTo = async ({ userId, client }: Device): Promise<Served> => {
  const texts = new Set<string>();
  const call = async (method: "GET" | "POST", path: string, body?: object): Promise<unknown> => {
    const answer = await client.call(method, path, body);
    for (const text of textsIn(JSON.stringify(answer))) texts.add(text);
    return answer;
  };
  const summaries = ((await call("GET", "/conversations?limit=200")) as InboxPage).conversations;
  const ids = summaries.map(({ conversation }) => conversation.conversationId);
  const views: View[] = [];
  for (const conversationId of ids) {
    const messages = (await wholeHistory(call, conversationId)).map(shownOf);
    views.push({ whose: `${userId}'s history`, conversationId, messages });
  }
  for (const { conversationId, messages } of await wholeSync(call, client, ids))
    views.push({ whose: `${userId}'s sync`, conversationId, messages: messages.map(shownOf) });
  return { userId, summaries, views, texts };
};

type Call = (method: "GET" | "POST", path: string, body?: object) => Promise<unknown>;

const wholeHistory = async (call: Call, conversationId: string): Promise<readonly Message[]> => {
  const all: Message[] = [];
  for (;;) {
    const after = all.at(-1)?.sequence ?? 0;
    const path = `/conversations/${conversationId}/messages?limit=200&after=${after}`;
    const page = (await call("GET", path)) as HistoryPage;
    all.push(...page.messages);
    if (!page.hasMore) return all;
  }
};

/** Through the client's own reducer. Conversations that are too far behind for sync are left out. */
const wholeSync = async (call: Call, client: Client, ids: readonly string[]): Promise<readonly ConversationState[]> => {
  const { userId = "", deviceId = "" } = client.connected() ?? {};
  const states = new Map(ids.map((id) => [id, emptyConversation(id)]));
  let open = ids;
  while (open.length > 0) {
    const cursors = Object.fromEntries(open.map((id) => [id, states.get(id)?.pos ?? -1]));
    const more: string[] = [];
    let next: string | undefined;
    do {
      const asked = { cursors, only: true, limit: 1000, ...(next === undefined ? {} : { next }) };
      const answer = (await call("POST", "/sync", asked)) as SyncResult;
      for (const entry of answer.conversations) {
        const before = states.get(entry.conversationId);
        if (entry.reset) states.delete(entry.conversationId);
        else if (before !== undefined)
          states.set(entry.conversationId, step(before, { kind: "entry", entry }, { userId, deviceId }).conversation);
        if (entry.hasMore) more.push(entry.conversationId);
      }
      next = answer.next;
    } while (next !== undefined);
    open = more;
  }
  return [...states.values()];
};
