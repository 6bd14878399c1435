/** A text that nothing else holds, written through every field that people fill in, and looked for in bytes. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Door } from "./server.js";
import { text, wireDevice, type Payload, type WireDevice } from "./wire.js";

/** What people fill in. Ids and keys are not among them, nor end-to-end content, which is opaque already. */
export const markedFields = [
  "group name",
  "changed group name",
  "description",
  "changed description",
  "display name",
  "changed display name",
  "text",
  "edited text",
  "text of an edit",
  "text of a deleted message",
  "text of a direct conversation",
  "metadata",
  "label",
  "metadata of a location",
  "emoji",
  "removed emoji",
] as const;
export type MarkedField = (typeof markedFields)[number];

export type Markers = { readonly core: string; readonly of: (field: MarkedField) => string };

/** Letters that no hexadecimal number has, so that no digest or id holds them by chance, two digits for the field, and an end that base64 may blur. */
export const createMarkers = (): Markers => {
  const core = `mk${randomBytes(8).toString("hex")}`;
  return { core, of: (field) => `${core}${10 + markedFields.indexOf(field)}zz` };
};

/** Enough messages for snapshots of the conversation. */
const messagesForSnapshots = 2_020;

/** Writes a marker through every field, by two people in a group and a direct conversation. */
export const writeMarkers = async (
  door: Door,
  { of }: Markers,
  [one, two, three]: readonly [string, string, string],
) => {
  const alice = await wireDevice(door, one);
  const bob = await wireDevice(door, two);
  const done = async (asked: ReturnType<WireDevice["rest"]>): Promise<Payload> => {
    const { status, body, text: said } = await asked;
    if (status >= 300) throw new Error(`${status}: ${said}`);
    return body;
  };
  const asked = async (type: string, payload: object): Promise<Payload> => {
    const answer = await alice.ask(type, payload);
    if (answer.type === "error") throw new Error(`${type}: ${JSON.stringify(answer.payload)}`);
    return answer.payload;
  };
  const send = (conversationId: unknown, clientMessageId: string, content: object) =>
    asked("message.send", { conversationId, clientMessageId, content });

  await done(alice.rest("PUT /me", { displayName: of("display name") }));
  const named = { name: of("group name"), description: of("description"), participantIds: [two] };
  const { conversationId } = await done(alice.rest("POST /groups", named));
  const group = `/conversations/${String(conversationId)}`;
  const said = { ...text(of("text")), metadata: { [`key ${of("metadata")}`]: [of("metadata")] } };
  await send(conversationId, "m-1", said);
  const edited = await send(conversationId, "m-2", text(of("edited text")));
  await asked("message.edit", { conversationId, messageId: edited.messageId, content: text(of("text of an edit")) });
  const about = { conversationId, messageId: edited.messageId };
  for (const field of ["emoji", "removed emoji"] as const)
    await asked("reaction.add", { ...about, emoji: `:${of(field)}:` });
  await asked("reaction.remove", { ...about, emoji: `:${of("removed emoji")}:` });
  const deleted = await send(conversationId, "m-3", text(of("text of a deleted message")));
  await asked("message.delete", { conversationId, messageId: deleted.messageId });
  const place = { type: "location", latitude: 1, longitude: 2, label: of("label") };
  await send(conversationId, "m-4", { ...place, metadata: { note: of("metadata of a location") } });
  await done(alice.rest(`PATCH ${group}`, { name: of("changed group name") }));
  await done(bob.rest(`PATCH ${group}`, { description: of("changed description") }));
  await done(alice.rest(`POST ${group}/members`, { userIds: [three] }));
  await done(alice.rest("PUT /me", { displayName: of("changed display name") }));
  const direct = await done(alice.rest("POST /conversations", { type: "direct", participantIds: [two] }));
  await send(direct.conversationId, "d-1", text(of("text of a direct conversation")));
  await Promise.all(
    Array.from({ length: messagesForSnapshots }, (_, index) => send(conversationId, `more-${index}`, text("more"))),
  );
  return { alice, bob, conversationId: String(conversationId) };
};

/** The fields whose markers stand somewhere in the bytes, in any of the forms that text takes. */
export const markedIn = (bytes: Buffer, { core, of }: Markers): readonly MarkedField[] =>
  formsOf(core).some((form) => bytes.includes(form))
    ? markedFields.filter((field) => formsOf(of(field)).some((form) => bytes.includes(form)))
    : [];

/** UTF-8, which JSON in JSON leaves as it is; UTF-16 both ways; hexadecimal; JSON's escapes; base64 wherever it begins. */
const formsOf = (marker: string): readonly Buffer[] => {
  const bytes = Buffer.from(marker);
  const wide = Buffer.from(marker, "utf16le");
  const escaped = Array.from(bytes, (byte) => `\\u00${byte.toString(16)}`).join("");
  return [
    bytes,
    wide,
    Buffer.from(wide).swap16(),
    Buffer.from(bytes.toString("hex")),
    Buffer.from(escaped),
    ...[0, 1, 2].map((before) => inBase64(bytes, before)),
  ];
};

/** Without the characters at its ends that what stands beside it decides as well. */
const inBase64 = (bytes: Buffer, before: number): Buffer => {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes])
    .toString("base64")
    .replaceAll("=", "");
  return Buffer.from(encoded.slice(before === 0 ? 0 : before + 1, -1));
};

/** Every file below a directory, with what is found in its bytes. */
export const markedFiles = (
  dir: string,
  markers: Markers,
): readonly { file: string; fields: readonly MarkedField[] }[] =>
  filesBelow(dir).flatMap((file) => {
    const fields = markedIn(readFileSync(file), markers);
    return fields.length === 0 ? [] : [{ file, fields }];
  });

export const filesBelow = (dir: string): readonly string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
