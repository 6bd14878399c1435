import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../kit/device.js";
import { isDistributed, isNowhere, openPlace, type Place } from "../kit/place.js";
import { caller, outcomeOf, text, wireDevice, type Caller, type Payload, type WireDevice } from "../kit/wire.js";

/**
 * PROTOCOL §6's matrix, cell by cell, through sockets and REST. Every cell has a group of its own: a caller who
 * may do something changes it. The table is written out here and not derived from the product's own.
 */
const roles = ["owner", "admin", "member", "former", "stranger"] as const;
type Role = (typeof roles)[number];

const yes = "ok";
const no = "FORBIDDEN";
const none = "CONVERSATION_NOT_FOUND";
const gone = "USER_NOT_FOUND";

/** What the cell's group looks like: a user of each role, one more of each as a target, and a message of each. */
type Group = {
  readonly id: string;
  readonly actor: WireDevice;
  readonly role: Role;
  /** The actor's own message, if there is one; theirs: a bystander's. */
  readonly own: string;
  readonly theirs: string;
};
type Act = (group: Group) => Promise<Parameters<typeof outcomeOf>[0]>;
type Row = {
  readonly act: string;
  readonly settings?: Payload;
  readonly expected: Readonly<Record<Role, string>>;
  readonly perform: Act;
};

const post: Act = ({ actor, id }) =>
  actor.ask("message.send", { conversationId: id, clientMessageId: "new", content: text("new") });
const invite: Act = ({ actor, id }) => actor.rest(`POST /conversations/${id}/members`, { userIds: ["newcomer"] });
const remove =
  (userId: string): Act =>
  ({ actor, id }) =>
    actor.rest(`DELETE /conversations/${id}/members/${userId}`);
const change =
  (body: object): Act =>
  ({ actor, id }) =>
    actor.rest(`PATCH /conversations/${id}`, body);
const promote =
  (userId: string, role: string): Act =>
  ({ actor, id }) =>
    actor.rest(`PATCH /conversations/${id}/members/${userId}`, { role });
const edit =
  (which: "own" | "theirs"): Act =>
  (group) =>
    group.actor.ask("message.edit", {
      conversationId: group.id,
      messageId: group[which],
      content: text("edited"),
    });
const erase =
  (which: "own" | "theirs"): Act =>
  (group) =>
    group.actor.ask("message.delete", { conversationId: group.id, messageId: group[which] });
const react =
  (type: "reaction.add" | "reaction.remove"): Act =>
  ({ actor, id, theirs }) =>
    actor.ask(type, { conversationId: id, messageId: theirs, emoji: "👍" });
const receipt =
  (type: "message.delivered" | "message.read"): Act =>
  ({ actor, id }) =>
    actor.ask(type, { conversationId: id, upToSequence: 1 });
const typing: Act = ({ actor, id }) => actor.ask("typing.start", { conversationId: id });
const read =
  (path: string): Act =>
  ({ actor, id }) =>
    actor.rest(`GET /conversations/${id}${path}`);
const [delivered, seen] = [receipt("message.delivered"), receipt("message.read")];
const mayLag: readonly Act[] = [typing, delivered, seen];
const prefer: Act = ({ actor, id }) => actor.rest(`PUT /conversations/${id}/preferences`, { archived: true });
const info =
  (which: "own" | "theirs"): Act =>
  (group) =>
    group.actor.rest(`GET /conversations/${group.id}/messages/${group[which]}/receipts`);
const leave: Act = ({ actor, id }) => actor.rest(`DELETE /conversations/${id}/members/${actor.userId}`);

const row = (
  act: string,
  outcomes: readonly [owner: string, admin: string, member: string, former: string, stranger: string],
  perform: Act,
  settings?: Payload,
): Row => {
  const [owner, admin, member, former, stranger] = outcomes;
  const expected = { owner, admin, member, former, stranger };
  return { act, expected, perform, ...(settings === undefined ? {} : { settings }) };
};

// prettier-ignore
const table: readonly Row[] = [
  //                                     owner  admin  member former stranger
  row("post",                            [yes,  yes,   yes,   no,    none], post),
  row("post, onlyAdminsCanPost",         [yes,  yes,   no,    no,    none], post, { onlyAdminsCanPost: true }),
  row("invite",                          [yes,  yes,   yes,   no,    none], invite),
  row("invite, allowMemberInvites off",  [yes,  yes,   no,    no,    none], invite, { allowMemberInvites: false }),
  row("remove a member",                 [yes,  yes,   no,    no,    none], remove("t-member")),
  row("remove an admin",                 [yes,  yes,   no,    no,    none], remove("t-admin")),
  row("remove an owner",                 [yes,  no,    no,    no,    none], remove("t-owner")),
  row("remove who is no member",         [gone, gone,  no,    no,    none], remove("nobody")),
  row("edit the name",                   [yes,  yes,   yes,   no,    none], change({ name: "Other" })),
  row("edit the description",            [yes,  yes,   yes,   no,    none], change({ description: "Other" })),
  row("edit the name, onlyAdminsCanEdit",[yes,  yes,   no,    no,    none], change({ name: "Other" }), { onlyAdminsCanEdit: true }),
  row("edit settings",                   [yes,  yes,   no,    no,    none], change({ settings: { onlyAdminsCanPost: true } })),
  row("edit name and settings at once",  [yes,  yes,   no,    no,    none], change({ name: "Other", settings: { onlyAdminsCanPost: true } })),
  row("make a member an admin",          [yes,  no,    no,    no,    none], promote("t-member", "admin")),
  row("make a member an owner",          [yes,  no,    no,    no,    none], promote("t-member", "owner")),
  row("demote an admin",                 [yes,  no,    no,    no,    none], promote("t-admin", "member")),
  row("demote an owner of several",      [yes,  no,    no,    no,    none], promote("t-owner", "member")),
  row("delete another's message",        [yes,  yes,   no,    no,    none], erase("theirs")),
  row("delete the own message",          [yes,  yes,   yes,   no,    none], erase("own")),
  row("edit another's message",          [no,   no,    no,    no,    none], edit("theirs")),
  row("edit the own message",            [yes,  yes,   yes,   no,    none], edit("own")),
  row("react",                           [yes,  yes,   yes,   no,    none], react("reaction.add")),
  row("react, onlyAdminsCanPost",        [yes,  yes,   yes,   no,    none], react("reaction.add"), { onlyAdminsCanPost: true }),
  row("take back a reaction",            [yes,  yes,   yes,   no,    none], react("reaction.remove")),
  row("say that it was delivered",       [yes,  yes,   yes,   no,    none], delivered),
  row("say that it was read",            [yes,  yes,   yes,   no,    none], seen),
  row("type",                            [yes,  yes,   yes,   no,    none], typing),
  row("read history",                    [yes,  yes,   yes,   yes,   none], read("/messages")),
  row("read the summary",                [yes,  yes,   yes,   no,    none], read("")),
  row("read the members",                [yes,  yes,   yes,   no,    none], read("/members")),
  row("archive",                         [yes,  yes,   yes,   no,    none], prefer),
  row("info about the own message",      [yes,  yes,   yes,   no,    none], info("own")),
  row("info about another's message",    [no,   no,    no,    no,    none], info("theirs")),
  row("leave",                           [yes,  yes,   yes,   no,    none], leave),
];

describe.skipIf(isNowhere)("the permission matrix", () => {
  let server: Place;
  let founder: Caller;
  let bystander: WireDevice;
  let actors: Readonly<Record<Role, WireDevice>>;
  let peer: WireDevice;
  let third: WireDevice;

  beforeAll(async () => {
    server = await openPlace();
    founder = await caller(server, "founder");
    const devices = await Promise.all([...roles, "bystander", "peer", "third"].map((user) => wireDevice(server, user)));
    const [owner, admin, member, former, stranger, ...others] = devices as [
      WireDevice,
      WireDevice,
      WireDevice,
      WireDevice,
      WireDevice,
      ...WireDevice[],
    ];
    actors = { owner, admin, member, former, stranger };
    [bystander, peer, third] = others as [WireDevice, WireDevice, WireDevice];
  });
  afterAll(() => server.dispose());

  const say = async (device: WireDevice, conversationId: string): Promise<string> => {
    const content = text(`of ${device.userId}`);
    const { type, payload } = await device.ask("message.send", { conversationId, clientMessageId: "first", content });
    expect(type).toBe("message.ack");
    return payload.messageId as string;
  };

  const groupFor = async (role: Role, settings: Payload | undefined): Promise<Group> => {
    const actor = actors[role];
    const inside = role === "stranger" ? [] : [role];
    const participantIds = ["bystander", "t-member", "t-admin", "t-owner", ...inside];
    const { status, body } = await founder.rest("POST /groups", { name: "Cell", participantIds });
    expect(status).toBe(201);
    const id = body.conversationId as string;
    const appoint = [["t-admin", "admin"], ["t-owner", "owner"], ...(isRanked(role) ? [[role, role]] : [])];
    const [theirs, own] = await Promise.all([
      say(bystander, id),
      role === "stranger" ? Promise.resolve("00000000-0000-4000-8000-000000000000") : say(actor, id),
      ...appoint.map(async ([userId = "", as]) => {
        const given = await founder.rest(`PATCH /conversations/${id}/members/${userId}`, { role: as });
        expect(given.status).toBe(200);
      }),
    ]);
    if (settings !== undefined)
      expect((await founder.rest(`PATCH /conversations/${id}`, { settings })).status).toBe(200);
    if (role === "former") expect((await founder.rest(`DELETE /conversations/${id}/members/former`)).status).toBe(204);
    return { id, actor, role, own, theirs };
  };
  /** A sync contains everything accepted before, of every user. */
  const headOf = async (id: string): Promise<number> => {
    const { body } = await founder.rest("POST /sync", { cursors: { [id]: 0 }, only: true, limit: 1_000 });
    return (body.conversations as { pos: number }[])[0]?.pos ?? -1;
  };
  const isRanked = (role: Role): boolean => role === "owner" || role === "admin";

  const cells = table.flatMap((each) => roles.map((role) => ({ ...each, role, outcome: each.expected[role] })));

  it.each(cells)("$role: $act → $outcome", async ({ role, settings, perform, outcome }) => {
    const group = await groupFor(role, settings);
    const before = await headOf(group.id);
    // Typing and receipts go by a membership that is up to a second old where others append as well.
    if (isDistributed && role === "former" && mayLag.includes(perform))
      await eventually(async () => outcomeOf(await perform(group)) === outcome, "the removal is known");
    const answer = await perform(group);
    expect(outcomeOf(answer).replace(/^\d+ /, "")).toBe(outcome);
    if ("status" in answer && outcome !== yes) expect(answer.status).toBe(outcome === no ? 403 : 404);
    // What is refused leaves no trace: the next change of the group is its very next pos.
    if (outcome !== yes) {
      const next = await founder.rest(`PATCH /conversations/${group.id}`, { name: "Untouched" });
      expect(next.body).toMatchObject({ pos: before + 1 });
    }
  });

  describe("a direct conversation has no roles, names or membership changes", () => {
    const inDirect: readonly (readonly [string, (id: string) => string, object | undefined])[] = [
      ["invite", (id) => `POST /conversations/${id}/members`, { userIds: ["third"] }],
      ["remove the other", (id) => `DELETE /conversations/${id}/members/peer`, undefined],
      ["leave", (id) => `DELETE /conversations/${id}/members/member`, undefined],
      ["change a role", (id) => `PATCH /conversations/${id}/members/peer`, { role: "admin" }],
      ["name it", (id) => `PATCH /conversations/${id}`, { name: "Us" }],
      ["describe it", (id) => `PATCH /conversations/${id}`, { description: "Us" }],
      ["change settings", (id) => `PATCH /conversations/${id}`, { settings: { onlyAdminsCanPost: true } }],
    ];
    const direct = async (): Promise<string> => {
      const { body } = await actors.member.rest("POST /conversations", { type: "direct", participantIds: ["peer"] });
      return body.conversationId as string;
    };

    it.each(inDirect)("%s → 403 for both parties, 404 for others", async (_, target, body) => {
      const id = await direct();
      expect(outcomeOf(await actors.member.rest(target(id), body))).toBe("403 FORBIDDEN");
      expect(outcomeOf(await peer.rest(target(id), body))).toBe("403 FORBIDDEN");
      expect(outcomeOf(await third.rest(target(id), body))).toBe("404 CONVERSATION_NOT_FOUND");
    });

    it("neither party deletes or edits the other's message; both react", async () => {
      const conversationId = await direct();
      const messageId = await say(peer, conversationId);
      const about = { conversationId, messageId };
      expect(outcomeOf(await actors.member.ask("message.delete", about))).toBe(no);
      expect(outcomeOf(await actors.member.ask("message.edit", { ...about, content: text("x") }))).toBe(no);
      expect(outcomeOf(await actors.member.ask("reaction.add", { ...about, emoji: "👍" }))).toBe(yes);
      expect(outcomeOf(await peer.ask("reaction.add", { ...about, emoji: "👍" }))).toBe(yes);
      expect(outcomeOf(await third.ask("reaction.add", { ...about, emoji: "👍" }))).toBe(none);
    });
  });
});

describe.skipIf(isNowhere)("owners", () => {
  let server: Place;
  let owner: WireDevice;
  let admin: WireDevice;
  let member: WireDevice;
  beforeAll(async () => {
    server = await openPlace();
    [owner, admin, member] = (await Promise.all(["olga", "adam", "mia"].map((user) => wireDevice(server, user)))) as [
      WireDevice,
      WireDevice,
      WireDevice,
    ];
  });
  afterAll(() => server.dispose());

  const start = async (participantIds: readonly string[], more: object = {}): Promise<string> =>
    (await owner.rest("POST /groups", { name: "Heirs", participantIds, ...more })).body.conversationId as string;
  const rolesIn = async (device: WireDevice, id: string) => {
    const { body } = await device.rest(`GET /conversations/${id}/members`);
    return Object.fromEntries(
      (body.members as { userId: string; role: string }[]).map((each) => [each.userId, each.role]),
    );
  };

  it("the last one cannot be demoted: 409, and nothing changes; with a second one it can", async () => {
    const id = await start(["mia"]);
    for (const role of ["admin", "member"])
      expect(outcomeOf(await owner.rest(`PATCH /conversations/${id}/members/olga`, { role }))).toBe("409 CONFLICT");
    expect(await rolesIn(owner, id)).toEqual({ olga: "owner", mia: "member" });
    expect((await owner.rest(`PATCH /conversations/${id}/members/mia`, { role: "owner" })).status).toBe(200);
    expect((await owner.rest(`PATCH /conversations/${id}/members/olga`, { role: "member" })).status).toBe(200);
    expect(await rolesIn(owner, id)).toEqual({ olga: "member", mia: "owner" });
    expect(outcomeOf(await member.rest(`PATCH /conversations/${id}/members/mia`, { role: "member" }))).toBe(
      "409 CONFLICT",
    );
  });

  it("two owners who demote themselves at once leave one", async () => {
    const id = await start(["mia"]);
    await owner.rest(`PATCH /conversations/${id}/members/mia`, { role: "owner" });
    const answers = await Promise.all([
      owner.rest(`PATCH /conversations/${id}/members/olga`, { role: "member" }),
      member.rest(`PATCH /conversations/${id}/members/mia`, { role: "member" }),
    ]);
    expect(answers.map(outcomeOf).toSorted()).toEqual(["409 CONFLICT", "ok"]);
  });

  it("the last one leaves: the longest-standing admin inherits, though a member was there before", async () => {
    const id = await start(["mia"]);
    await owner.rest(`POST /conversations/${id}/members`, { userIds: ["adam"] });
    await owner.rest(`PATCH /conversations/${id}/members/adam`, { role: "admin" });
    expect((await owner.rest(`DELETE /conversations/${id}/members/olga`)).status).toBe(204);
    const role = await member.frame("member.role", { conversationId: id, role: "owner" });
    expect(role.payload).toMatchObject({ userId: "adam" });
    const left = await member.frame("member.left", { conversationId: id });
    expect(left.payload).toMatchObject({ userId: "olga", memberCount: 2, pos: (role.payload.pos as number) - 1 });
    expect(await rolesIn(admin, id)).toEqual({ adam: "owner", mia: "member" });
    // The leaver's last frame is the own member.left.
    await owner.ask("heartbeat", {});
    expect(owner.changes(id).at(-1)).toMatchObject({ type: "member.left", payload: { userId: "olga" } });
  });

  it("without an admin the longest-standing member inherits; alone, the group is left empty", async () => {
    const id = await start(["mia"]);
    await owner.rest(`POST /conversations/${id}/members`, { userIds: ["adam"] });
    await owner.rest(`DELETE /conversations/${id}/members/olga`);
    await member.frame("member.role", { conversationId: id, userId: "mia", role: "owner" });
    await member.rest(`DELETE /conversations/${id}/members/mia`);
    await admin.frame("member.role", { conversationId: id, userId: "adam", role: "owner" });
    expect((await admin.rest(`DELETE /conversations/${id}/members/adam`)).status).toBe(204);
    expect(outcomeOf(await admin.rest(`GET /conversations/${id}`))).toBe("403 FORBIDDEN");
  });

  it("an owner who leaves while there is another changes no role", async () => {
    const id = await start(["mia", "adam"]);
    await owner.rest(`PATCH /conversations/${id}/members/mia`, { role: "owner" });
    await owner.rest(`DELETE /conversations/${id}/members/olga`);
    expect(await rolesIn(member, id)).toEqual({ mia: "owner", adam: "member" });
  });
});
