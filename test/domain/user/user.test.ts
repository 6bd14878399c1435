import { describe, expect, it } from "vitest";
import { user } from "../../../src/domain/user/user.decide.js";
import { defaultPreferences, isStillIn, preferencesOf, type UserCommand } from "../../../src/domain/user/user.js";
import type { UserEvent } from "../../../src/domain/user/user.events.js";
import { unsealed } from "../../../src/domain/kernel/sealed.js";
import { contextOf, given } from "../../kit/given.js";
import { sealedText } from "../../kit/texts.js";

const day = 24 * 60 * 60 * 1_000;
const register = (deviceId: string, now: number, more: object = {}): UserCommand => ({
  type: "RegisterDevice",
  home: "main",
  deviceType: "web",
  devicesMax: 3,
  ...more,
  context: contextOf("alice", now, `register-${deviceId}-${now}`, deviceId),
});
const removeDevice = (deviceId: string, now: number): UserCommand => ({
  type: "RemoveDevice",
  deviceId,
  context: contextOf("alice", now, `remove-${deviceId}-${now}`),
});
const profile = (changes: object): UserCommand => ({ type: "ChangeProfile", ...changes, context: contextOf("alice") });
const prefer = (changes: object, conversationId = "g_1"): UserCommand => ({
  type: "ChangePreferences",
  conversationId,
  changes,
  context: contextOf("alice"),
});
const after = (...commands: readonly UserCommand[]): readonly UserEvent[] =>
  commands.reduce<readonly UserEvent[]>((all, command) => [...all, ...given(user, all).when(command).events()], []);

const usesOf = (uses: Readonly<Record<string, number>>): ReadonlyMap<string, number> => new Map(Object.entries(uses));

describe("devices", () => {
  it("are registered once, again as another type, and again after a day", () => {
    given(user).when(register("phone", 1)).then({ type: "UserRegistered", home: "main" }, { type: "DeviceRegistered" });
    const known = after(register("phone", 1));
    given(user, known).when(register("phone", day)).then();
    given(user, known)
      .when(register("phone", day + 1))
      .then({ type: "DeviceRegistered", at: day + 1 });
    given(user, known)
      .when(register("phone", 2, { deviceType: "mobile" }))
      .then({ type: "DeviceRegistered", deviceType: "mobile" });
  });

  it("give way, the longest unseen first, when there are too many", () => {
    const full = after(register("a", 1), register("b", 2), register("c", 3), register("a", 1 + 2 * day));
    given(user, full)
      .when(register("d", 1 + 2 * day))
      .then({ type: "DeviceRemoved", deviceId: "b" }, { type: "DeviceRegistered", deviceId: "d" });
  });

  it("give way by their last use, which the command knows better than the log; one that is connected is used now", () => {
    const full = after(register("a", 1), register("b", 2), register("c", 3));
    const givesWay = (lastUses: Readonly<Record<string, number>>) =>
      given(user, full)
        .when(register("d", 9_000, { lastUses: usesOf(lastUses) }))
        .then({ type: "DeviceRemoved" }, { type: "DeviceRegistered", deviceId: "d" })[0];
    expect(givesWay({})).toMatchObject({ deviceId: "a" });
    expect(givesWay({ a: 8_000 })).toMatchObject({ deviceId: "b" });
    expect(givesWay({ a: 8_000, b: 9_000 })).toMatchObject({ deviceId: "c" });
    expect(givesWay({ a: 8_000, b: 7_000, c: 9_000 })).toMatchObject({ deviceId: "b" });
    // Beyond now is now: among those the log decides.
    expect(givesWay({ a: 9_000, b: 9_000 + day, c: 9_000 })).toMatchObject({ deviceId: "a" });
  });

  it("give way in that order whatever they are called", () => {
    const full = after(register("a", 1), register("constructor", 2), register("c", 3));
    given(user, full)
      .when(register("d", 9_000, { lastUses: usesOf({ a: 8_000, c: 7_000 }) }))
      .then({ type: "DeviceRemoved", deviceId: "constructor" }, { type: "DeviceRegistered" });
    given(user, full)
      .when(register("d", 9_000, { lastUses: usesOf({ c: 7_000 }) }))
      .then({ type: "DeviceRemoved", deviceId: "a" }, { type: "DeviceRegistered" });
  });

  it("of which a clock that was ahead has said that they are seen to come are seen now", () => {
    const ahead = after(register("a", 1 + day), register("b", 2), register("c", 3));
    given(user, ahead).when(register("a", 60_000)).then({ type: "DeviceRegistered", deviceId: "a", at: 60_000 });
    given(user, after(register("a", 60_000)))
      .when(register("a", 1))
      .then();
    const seen = after(register("a", 1 + day), register("b", 2), register("c", 3));
    given(user, seen)
      .when(register("d", 9_000, { lastUses: usesOf({ b: 9_000, c: 9_000 }) }))
      .then({ type: "DeviceRemoved", deviceId: "b" }, { type: "DeviceRegistered" });
  });

  it("that a clock far ahead removed were removed when a sane clock first sees it", () => {
    const removed = after(register("a", 1_000), register("b", 1_000), removeDevice("a", day));
    const back = (now: number, tokenIssuedAt: number) => register("a", now, { tokenIssuedAt });
    // The first token after it is refused, and the removal gets the time of now.
    const [corrected] = given(user, removed)
      .when(back(70_000, 60_000))
      .then({ type: "DeviceRemoved", deviceId: "a", at: 70_000 });
    const sane = corrected === undefined ? removed : [...removed, corrected];
    given(user, sane).when(back(70_000, 60_000)).thenRejected("UNAUTHORIZED");
    given(user, sane).when(back(90_000, 70_000)).thenRejected("UNAUTHORIZED");
    given(user, sane).when(back(90_000, 80_000)).then({ type: "DeviceRegistered", deviceId: "a", at: 90_000 });
    // Another device of the user's sees it as well.
    given(user, removed).when(register("b", 70_000)).then({ type: "DeviceRemoved", deviceId: "a", at: 70_000 });
    // A minute is within what clocks differ by.
    given(user, after(register("a", 1_000), removeDevice("a", 130_000)))
      .when(back(70_000, 69_000))
      .thenRejected("UNAUTHORIZED");
  });

  it("that came back while the clock was ahead are not locked out when it is right again", () => {
    const removed = after(register("a", 1_000), removeDevice("a", day));
    const ahead = given(user, removed)
      .when(register("a", day + 9_000, { tokenIssuedAt: day + 5_000 }))
      .then({ type: "DeviceRegistered" });
    const [corrected] = given(user, [...removed, ...ahead])
      .when(register("a", 70_000, { tokenIssuedAt: 69_000 }))
      .then({ type: "DeviceRemoved", at: 70_000 });
    given(user, corrected === undefined ? [] : [...removed, ...ahead, corrected])
      .when(register("a", 90_000, { tokenIssuedAt: 80_000 }))
      .then({ type: "DeviceRegistered" });
  });

  it("that a clock far behind removes are removed after they were seen", () => {
    given(user, after(register("a", 50_000)))
      .when(removeDevice("a", 10_000))
      .then({ type: "DeviceRemoved", at: 50_000 });
    given(user, after(register("a", day)))
      .when(removeDevice("a", 10_000))
      .then({ type: "DeviceRemoved", at: 10_000 });
  });

  it("come back after a removal only with a token issued later", () => {
    const removed = after(register("a", 1_000), removeDevice("a", 5_000));
    for (const tokenIssuedAt of [undefined, 4_000, 5_000])
      given(user, removed)
        .when(register("a", 9_000, tokenIssuedAt === undefined ? {} : { tokenIssuedAt }))
        .thenRejected("UNAUTHORIZED");
    given(user, removed)
      .when(register("a", 9_000, { tokenIssuedAt: 6_000 }))
      .then({ type: "DeviceRegistered", deviceId: "a" });
  });

  it("may stay unless they were removed since their token was issued, and may when they have come back with a newer", () => {
    const stays = (history: readonly UserEvent[], deviceId: string, tokenIssuedAt?: number) =>
      isStillIn(history.reduce(user.evolve, user.initial()), deviceId, tokenIssuedAt);
    const known = after(register("a", 1_000));
    const removed = [...known, ...given(user, known).when(removeDevice("a", 5_000)).events()];
    const back = [
      ...removed,
      ...given(user, removed)
        .when(register("a", 9_000, { tokenIssuedAt: 6_000 }))
        .events(),
    ];
    const issued = [undefined, 500, 6_000];
    expect(issued.map((at) => stays(known, "a", at))).toEqual([true, true, true]);
    expect(issued.map((at) => stays(removed, "a", at))).toEqual([false, false, false]);
    expect(issued.map((at) => stays(back, "a", at))).toEqual([false, false, true]);
    expect([stays([], "a"), stays(removed, "b")]).toEqual([true, true]);
  });

  it("are removed once, and only if they are one's own", () => {
    const known = after(register("a", 1));
    given(user, known).when(removeDevice("a", 2)).then({ type: "DeviceRemoved", deviceId: "a" });
    given(user, after(register("a", 1), removeDevice("a", 2)))
      .when(removeDevice("a", 3))
      .then();
    given(user, known).when(removeDevice("b", 2)).thenRejected("NOT_FOUND");
    given(user).when(removeDevice("a", 2)).thenRejected("NOT_FOUND");
  });
});

describe("profile and preferences", () => {
  it("write what changes, privacy whole", () => {
    given(user, after(register("a", 1)))
      .when(profile({ displayName: sealedText("Alice"), privacy: { readReceipts: false } }))
      .then({
        type: "ProfileChanged",
        changes: { displayName: sealedText("Alice"), privacy: { lastSeen: "contacts", readReceipts: false } },
      });
    const changed = after(
      register("a", 1),
      profile({ displayName: sealedText("Alice"), privacy: { readReceipts: false } }),
    );
    given(user, changed)
      .when(profile({ displayName: sealedText("Alice"), privacy: { readReceipts: false } }))
      .then();
    given(user, changed)
      .when(profile({ privacy: { lastSeen: "nobody" } }))
      .then({ type: "ProfileChanged", changes: { privacy: { lastSeen: "nobody", readReceipts: false } } });
  });

  it("a display name of before, in plain text, is written once more, sealed; then it is the same", () => {
    const before = after(register("a", 1), profile({ displayName: unsealed("Alice") }));
    const again = profile({ displayName: sealedText("Alice") });
    const written = given(user, before)
      .when(again)
      .then({ changes: { displayName: sealedText("Alice") } });
    given(user, [...before, ...written])
      .when(again)
      .then();
    given(user, before)
      .when(profile({ displayName: null }))
      .then({ changes: { displayName: null } });
    given(user, after(register("a", 1)))
      .when(profile({ displayName: null }))
      .then();
  });

  it("are each conversation's own", () => {
    const events = after(register("a", 1), prefer({ pinned: 1, mutedUntil: 5 }), prefer({ mutedUntil: null }));
    given(user, events)
      .when(prefer({ pinned: 1, archived: false, mutedUntil: null }))
      .then();
    given(user, events)
      .when(prefer({ pinned: null, archived: false }))
      .then({ type: "PreferencesChanged", changes: { pinned: null } });
    const state = events.reduce(user.evolve, user.initial());
    expect(preferencesOf(state, "g_1")).toEqual({ pinned: 1, archived: false, mutedUntil: null });
    expect(preferencesOf(state, "g_2")).toEqual(defaultPreferences);
  });
});

describe("an erased user", () => {
  const context = { ...contextOf("alice", 10, "erase-1"), by: { kind: "operator" as const, userId: "root" } };
  const erase: UserCommand = { type: "EraseUser", reason: "Art. 17", context };

  it("loses every device, once, and is refused whatever comes after", () => {
    given(user).when(erase).thenRejected("NOT_FOUND");
    const known = after(register("phone", 1), register("laptop", 2), removeDevice("phone", 3));
    const events = given(user, known).when(erase).events();
    expect(events.map(({ type }) => type)).toEqual(["DeviceRemoved", "UserErased"]);
    const erased = [...known, ...events];
    given(user, erased).when(erase).then();
    const later = register("phone", 999, { tokenIssuedAt: 999_999 });
    for (const command of [
      later,
      removeDevice("phone", 20),
      profile({ displayName: null }),
      prefer({ archived: true }),
    ])
      given(user, erased).when(command).thenRejected("UNAUTHORIZED");
    expect(isStillIn(erased.reduce(user.evolve, user.initial()), "phone", 999_999)).toBe(false);
  });
});
