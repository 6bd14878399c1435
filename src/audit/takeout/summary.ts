import type { ConversationKind } from "../../domain/conversation/conversation.events.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import type { Opened, Person } from "../archive/record.js";
import { nameOf, openedText } from "../archive/text.js";
import type { TakeoutRecord } from "./conversation.js";
import type { TakeoutConversation } from "./pages.js";

/** What the index of a takeout says of a conversation, from its records. */
export type Summary = {
  /** Of its files, without the ending. */
  readonly file: string;
  readonly add: (record: TakeoutRecord) => void;
  /** A group by its name, a direct conversation by who else is in it. */
  readonly called: () => string;
  readonly row: () => TakeoutConversation;
};

export const createSummary = (conversationId: ConversationId, user: UserId): Summary => {
  const file = conversationId.replace(/[^A-Za-z0-9_-]/g, (char) => `=${char.charCodeAt(0).toString(16)}`);
  const counts = { records: 0, ownMessages: 0 };
  let times: Pick<TakeoutConversation, "first" | "last"> = {};
  let kind: ConversationKind = "direct";
  let name: Opened | undefined;
  /** Of a direct conversation, the one other. */
  let peer: Person | undefined;
  const called = (): string => {
    if (name !== undefined) return openedText(name);
    return peer === undefined ? conversationId : `With ${nameOf(peer)}`;
  };
  return {
    file,
    add: (record) => {
      const { conversation, author, subject, at } = record;
      counts.records += 1;
      if (record.kind === "message" && author?.userId === user) counts.ownMessages += 1;
      times = { first: times.first ?? at, last: at };
      kind = conversation.kind;
      name = conversation.name ?? name;
      if (kind === "direct")
        peer = [author, subject].find((person) => person !== undefined && person.userId !== user) ?? peer;
    },
    called,
    row: () => ({ conversationId, kind, called: called(), file, ...counts, ...times }),
  };
};
