/** Names, descriptions and display names on their way into the log. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openingWith, sealingWith } from "../../../src/commands/sealing/sealing.js";
import { decodeEvent, encodeEvent, type DomainEvent } from "../../../src/domain/catalogue.js";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import type { ConversationEvent, ConversationProfile } from "../../../src/domain/conversation/conversation.events.js";
import { E, type Either } from "../../../src/domain/kernel/fp.js";
import { sealedAs } from "../../../src/domain/kernel/sealed.js";
import {
  asRevision,
  firstRevision,
  noPosition,
  streamOf,
  type RecordedEvent,
  type StreamName,
} from "../../../src/domain/kernel/stream.js";
import { contextOf, folded } from "../../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../../kit/log.js";
import { asBefore, sealedText } from "../../kit/texts.js";
import { textCipher } from "../../kit/text-cipher.js";

const right = <A>(either: Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`refused: ${JSON.stringify(either.left)}`);
  return either.right;
};
const context = (userId: string) => contextOf(userId, Date.now(), randomUUID());

let kit: LogKit;
beforeEach(async () => {
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

const startGroup = async (): Promise<string> =>
  right(
    await commandsOn(kit).startGroup(
      { name: "Secret name", description: "Secret purpose", participantIds: ["bob"] },
      context("alice"),
    ),
  ).conversationId;
const eventsOf = async (stream: StreamName): Promise<readonly DomainEvent[]> =>
  (await kit.log.readStream(stream, firstRevision, 1_000)).map(decodeEvent);
const profilesIn = (events: readonly DomainEvent[]): readonly ConversationProfile[] =>
  events.flatMap((event) => ("profile" in event ? [event.profile] : []));

it("no name, description or display name is in the log in readable form, new or old", async () => {
  const commands = commandsOn(kit);
  const conversationId = await startGroup();
  right(await commands.changeSettings({ conversationId, name: "Secret new name" }, context("bob")));
  right(await commands.joinMembers({ conversationId, userIds: ["carol"] }, context("alice")));
  right(await commands.changeProfile({ displayName: "Secret Alice" }, context("alice")));
  right(await commands.changeProfile({ displayName: "Secret Alicia" }, context("alice")));
  expect(JSON.stringify(await kit.log.readAll(noPosition, 1_000))).not.toContain("Secret");
});

it("the same text again writes nothing, by another process neither", async () => {
  const conversationId = await startGroup();
  right(await commandsOn(kit).changeProfile({ displayName: "Alice" }, context("alice")));
  const head = await kit.log.head();
  for (const commands of [commandsOn(kit), commandsOn(kit)]) {
    const changes = { conversationId, name: "Secret name", description: "Secret purpose" };
    expect(right(await commands.changeSettings(changes, context("bob")))).not.toHaveProperty("pos");
    right(await commands.changeProfile({ displayName: "Alice" }, context("alice")));
  }
  expect(await kit.log.head()).toBe(head);
  right(await commandsOn(kit).changeProfile({ displayName: null }, context("alice")));
  right(await commandsOn(kit).changeProfile({ displayName: null }, context("alice")));
  expect(await kit.log.head()).toBe(head + 1);
});

it("an empty description is none, as it always was", async () => {
  const { conversationId } = right(
    await commandsOn(kit).startGroup({ name: "Friends", participantIds: [] }, context("alice")),
  );
  const head = await kit.log.head();
  right(await commandsOn(kit).changeSettings({ conversationId, description: "" }, context("alice")));
  expect(await kit.log.head()).toBe(head);
});

/** A group that an earlier version began, named "Before" in plain text. */
const startBefore = async (): Promise<{ conversationId: string; stream: StreamName }> => {
  const at = 1_000;
  const by = { kind: "user", userId: "alice", deviceId: "phone" } as const;
  const profile = { kind: "group", name: sealedText("Before"), createdBy: "alice", createdAt: at } as const;
  const settings = { onlyAdminsCanPost: false, onlyAdminsCanEdit: false, allowMemberInvites: true } as const;
  const whole = { ...profile, settings: { ...settings, historyVisibility: "since_join" as const } };
  const conversationId = "g_before";
  const joined = {
    members: [{ userId: "alice", role: "owner" as const }],
    visibleFrom: 1,
    sequence: 0,
    memberCount: 1,
  };
  const events: readonly DomainEvent[] = [
    { type: "ConversationStarted", id: randomUUID(), at, by, conversationId, home: "main", profile: whole },
    { type: "MemberJoined", id: randomUUID(), at, by, ...joined, profile: whole },
  ];
  const stream = streamOf.conversation(conversationId);
  const stored = events.map((event) => {
    const { id, type, data, meta } = asBefore(
      encodeEvent(event, { commandId: "c", correlationId: "c" }) as unknown as RecordedEvent,
    );
    return { id, type, data, meta };
  });
  expect(JSON.stringify(stored)).toContain('\\"name\\":\\"Before\\"');
  await kit.log.append(stream, "no_stream", stored);
  return { conversationId, stream };
};

it("a name of before, in plain text, is written once more, sealed, by the first change to what it is already", async () => {
  const { conversationId, stream } = await startBefore();
  const rename = async () =>
    right(await commandsOn(kit).changeSettings({ conversationId, name: "Before" }, context("alice")));
  expect(await rename()).toHaveProperty("pos", 2);
  expect(await rename()).not.toHaveProperty("pos");
  const written = (await eventsOf(stream)).at(-1);
  expect(written).toMatchObject({ type: "SettingsChanged", changes: { name: { alg: "XC20P" } } });
});

it("a name of before is copied in plain text no more: who joins gets it sealed", async () => {
  const { conversationId, stream } = await startBefore();
  right(await commandsOn(kit).joinMembers({ conversationId, userIds: ["bob"] }, context("alice")));
  const [joined] = (await kit.log.readStream(stream, asRevision(2), 10)).map(({ data }) => data);
  expect(joined).toContain("XC20P");
  expect(joined).not.toContain("Before");
  const name = profilesIn(await eventsOf(stream)).at(-1)?.name;
  expect(name && (await openingWith(kit.keys, textCipher)(sealedAs.name(conversationId), name))).toBe("Before");
});

it("a name of before that was sealed for a join is not used where the group has another by then", async () => {
  const { stream } = await startBefore();
  const { state, index } = folded(conversation, (await eventsOf(stream)) as readonly ConversationEvent[]);
  const join = { type: "JoinMembers", userIds: ["bob"], membersMax: 10, context: context("alice") } as const;
  const nameAfter = (plain: string) =>
    profilesIn(right(conversation.decide(state, { ...join, sealedAnew: { name: { plain, text: sealed } } }, index)));
  const sealed = { alg: "A256GCM", keyId: "k", data: "sealed", digest: "d" } as const;
  expect(nameAfter("Before")[0]?.name).toEqual(sealed);
  expect(nameAfter("Long before")[0]?.name).toMatchObject({ alg: "none", data: "Before" });
});

it("a member who joins later gets the sealed texts as they are, and no key of the one who invites", async () => {
  const conversationId = await startGroup();
  right(await commandsOn(kit).joinMembers({ conversationId, userIds: ["carol"] }, context("bob")));
  const [started, ...joins] = profilesIn(await eventsOf(streamOf.conversation(conversationId)));
  expect(joins.length).toBe(2);
  for (const join of joins) expect(join).toEqual(started);
});

it("a group keeps its name when all keys of the user who named it are gone", async () => {
  const conversationId = await startGroup();
  const [profile] = profilesIn(await eventsOf(streamOf.conversation(conversationId)));
  const erased = openingWith(
    {
      cached: () => undefined,
      find: async (keyId) => (keyId.startsWith("alice/") ? undefined : kit.keys.find(keyId)),
    },
    textCipher,
  );
  expect(profile?.name?.keyId).toBe(`${conversationId}/conversation/test`);
  expect(profile?.name && (await erased(sealedAs.name(conversationId), profile.name))).toBe("Secret name");
});

it("no key is made for a conversation that is not there, nor by somebody who is no member", async () => {
  const conversationId = await startGroup();
  const made: string[] = [];
  const keys = { ...kit.keys, obtain: (keyId: string) => kit.keys.obtain(keyId).finally(() => made.push(keyId)) };
  const commands = commandsOn(kit, kit.log, {
    sealing: sealingWith({ ...keys, cached: () => undefined }, ["test"], textCipher),
  });
  for (const id of ["g_none", conversationId]) {
    const refused = await commands.changeSettings({ conversationId: id, name: "New" }, context("mallory"));
    expect(refused).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
  }
  expect(made).toEqual([]);
  right(await commands.changeSettings({ conversationId, name: "New" }, context("alice")));
  expect(made).toContain(`${conversationId}/conversation/test`);
});

it("no key is made for what is refused: too many members, a name for a direct conversation or by whom it may not be", async () => {
  const made: string[] = [];
  const keys = { ...kit.keys, obtain: (keyId: string) => kit.keys.obtain(keyId).finally(() => made.push(keyId)) };
  const sealing = sealingWith({ ...keys, cached: () => undefined }, ["test"], textCipher);
  const commands = commandsOn(kit, kit.log, { sealing, membersMax: 2 });
  const many = { name: "Many", participantIds: ["bob", "carol"] };
  expect(await commands.startGroup(many, context("alice"))).toMatchObject({ left: { code: "TOO_LARGE" } });
  const direct = right(await commands.startDirect({ peerId: "bob" }, context("alice")));
  const naming = { conversationId: direct.conversationId, name: "Ours" };
  expect(await commands.changeSettings(naming, context("alice"))).toMatchObject({ left: { code: "FORBIDDEN" } });
  const settings = { onlyAdminsCanEdit: true };
  const closed = right(
    await commands.startGroup({ name: "Closed", participantIds: ["bob"], settings }, context("alice")),
  );
  const renaming = { conversationId: closed.conversationId, name: "Mine" };
  expect(await commands.changeSettings(renaming, context("bob"))).toMatchObject({ left: { code: "FORBIDDEN" } });
  expect(made.every((keyId) => keyId === `${closed.conversationId}/conversation/test`)).toBe(true);
});

it("where sealing is off texts stand as they are, and the same again writes nothing", async () => {
  const off = commandsOn(kit, kit.log, { sealing: sealingWith(kit.keys, undefined, textCipher) });
  const { conversationId } = right(await off.startGroup({ name: "Open", participantIds: [] }, context("alice")));
  expect(JSON.stringify(await kit.log.readAll(noPosition, 10))).toContain("Open");
  const head = await kit.log.head();
  right(await off.changeSettings({ conversationId, name: "Open" }, context("alice")));
  expect(await kit.log.head()).toBe(head);
});
