import { actorText, contentText, eventText, nameOf, openedText, timeText } from "../archive/text.js";
import type { UserId } from "../../domain/kernel/ids.js";
import type { Account } from "./account.js";
import type { TakeoutRecord } from "./conversation.js";
import { escaped, htmlPage, htmlTable } from "./html.js";

/** A conversation as the index has it. */
export type TakeoutConversation = {
  readonly conversationId: string;
  readonly kind: string;
  /** What people would call it: a group's name, or who is in a direct one. */
  readonly called: string;
  /** Without its ending and the number of its page. */
  readonly file: string;
  readonly records: number;
  readonly ownMessages: number;
  /** Epoch milliseconds, of the first and the last record; undefined without records. */
  readonly first?: number;
  readonly last?: number;
};

export const takeoutIndex = (
  account: Account,
  conversations: readonly TakeoutConversation[],
  { at, extent }: { readonly at: number; readonly extent: string },
): string => {
  const name = account.names.at(-1)?.name;
  const title = `What Parley has of ${account.userId}`;
  const facts: readonly (readonly [string, string])[] = [
    ["User id", account.userId],
    ["Display name", name === undefined || name === null ? "none" : openedText(name)],
    [
      "Names before",
      account.names
        .slice(0, -1)
        .map((then) => `${then.name === null ? "none" : openedText(then.name)} (${minute(then.at)})`)
        .join(", ") || "none",
    ],
    ["Seen first", account.registeredAt === undefined ? "?" : minute(account.registeredAt)],
    ["Last seen is shown to", account.privacy.lastSeen],
    ["Read receipts", account.privacy.readReceipts ? "shown" : "not shown"],
  ];
  const devices = Object.entries(account.devices).map(([deviceId, { deviceType, registeredAt, removedAt }]) =>
    [deviceId, deviceType, minute(registeredAt), removedAt === undefined ? "" : minute(removedAt)].map(escaped),
  );
  const rows = conversations.map(({ called, kind, file, ownMessages, records, first, last }) => [
    records === 0
      ? escaped(called)
      : `<a href="conversations/${encodeURIComponent(file)}-1.html">${escaped(called)}</a>`,
    escaped(kind),
    String(ownMessages),
    first === undefined || last === undefined ? "" : `${minute(first)} – ${minute(last)}`,
  ]);
  const about =
    extent === "own"
      ? "Of conversations it has what you wrote and did, and what was done to your membership."
      : "Of conversations it has what you wrote and did, and what others wrote that you could see; what they deleted is left out.";
  return htmlPage(
    title,
    `<h1>${escaped(title)}</h1>
<p class="lead">Taken ${minute(at)}. ${about} Times are UTC. The same is in files for programs: profile.json, devices.json, preferences.json, conversations.json, receipts.ndjson, and conversations/*.ndjson.</p>
<h2>Profile</h2>
${htmlTable(
  ["", ""],
  facts.map((fact) => fact.map(escaped)),
)}
<h2>Devices</h2>
${devices.length === 0 ? '<p class="dim">None.</p>' : htmlTable(["Device", "Kind", "Registered", "Removed"], devices)}
<h2>Conversations</h2>
${rows.length === 0 ? '<p class="dim">None.</p>' : htmlTable(["Conversation", "Kind", "#Your messages", "From – to"], rows)}`,
  );
};

export type PagePlace = { readonly file: string; readonly page: number; readonly isLast: boolean };

/** A page of a conversation's records. */
export const takeoutPage = (
  called: string,
  records: readonly TakeoutRecord[],
  user: UserId,
  { file, page, isLast }: PagePlace,
): string => {
  const link = (to: number, text: string): string => `<a href="${encodeURIComponent(file)}-${to}.html">${text}</a>`;
  const nav = `<nav><a href="../index.html">All conversations</a>${page === 1 ? "" : link(page - 1, "← Before")}${isLast ? "" : link(page + 1, "After →")}</nav>`;
  let day = "";
  const items = records.flatMap((record) => {
    const today = timeText(record.at).slice(0, 10);
    const heading = today === day ? [] : [`<li class="day">${today}</li>`];
    day = today;
    return [...heading, itemOf(record, user)];
  });
  return htmlPage(called, `${nav}\n<h1>${escaped(called)}</h1>\n<ol>\n${items.join("\n")}\n</ol>\n${nav}`);
};

const itemOf = (record: TakeoutRecord, user: UserId): string => {
  const { kind, at, by, author, message, withheld } = record;
  const who = author === undefined ? actorText(by, author) : author.userId === user ? "You" : nameOf(author);
  const time = `<time>${timeText(at).slice(11, 16)}</time>`;
  if (kind !== "message") {
    const text = withheld === true ? `edited message ${message?.sequence ?? ""} (deleted)` : eventText(record);
    return `<li class="note">${escaped(who)} ${escaped(text)} ${time}</li>`;
  }
  const text = withheld === true ? "(deleted)" : message?.content === undefined ? "" : contentText(message.content);
  const own = author?.userId === user ? " own" : "";
  return `<li class="said${own}"><div class="who">${escaped(who)}${time} <span class="dim">#${message?.sequence ?? ""}</span></div><div class="text">${escaped(text)}</div></li>`;
};

const minute = (at: number): string => timeText(at).slice(0, 16).replace("T", " ");
