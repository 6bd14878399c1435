import fc from "fast-check";
import { defaultSettings, type Role, type Settings } from "../../src/domain/conversation/conversation.events.js";
import type { PreferencesChanged, Privacy } from "../../src/domain/user/user.events.js";

/** What a few users may wish to do in a few conversations; `logOf` makes events of what the moment allows. */
export const users = ["alice", "bob", "carol", "dave"] as const;
export const conversationIds = ["d_direct", "g_one", "g_two"] as const;
export type User = (typeof users)[number];
export type ConversationName = (typeof conversationIds)[number];

/** How a user's wish comes into the log: their own, through an application or a bot, or without a user at all. */
export type Acting = "bot" | "app for a user" | "app" | "system" | "operator";

export type Wish = Wished & { readonly as?: Acting };
type Wished =
  | { readonly do: "join"; readonly in: ConversationName; readonly users: readonly User[]; readonly all: boolean }
  | { readonly do: "leave"; readonly in: ConversationName; readonly user: User }
  | { readonly do: "role"; readonly in: ConversationName; readonly user: User; readonly role: Role }
  | { readonly do: "rename"; readonly in: ConversationName; readonly name: string; readonly settings: Settings }
  | { readonly do: "send"; readonly in: ConversationName; readonly user: User; readonly reply: boolean }
  | {
      readonly do: "receipt";
      readonly in: ConversationName;
      readonly user: User;
      readonly share: number;
      readonly read: boolean;
      readonly private?: boolean;
    }
  | { readonly do: "edit" | "delete"; readonly in: ConversationName; readonly user: User; readonly share: number }
  | {
      readonly do: "react";
      readonly in: ConversationName;
      readonly user: User;
      readonly share: number;
      readonly emoji: string;
      readonly remove: boolean;
    }
  | {
      readonly do: "prefer";
      readonly in: ConversationName;
      readonly user: User;
      readonly changes: PreferencesChanged["changes"];
    }
  | { readonly do: "profile"; readonly user: User; readonly changes: ProfileWish }
  | { readonly do: "removeDevice"; readonly user: User; readonly device: string }
  | { readonly do: "register"; readonly user: User; readonly device: string; readonly mobile: boolean };

type ProfileWish = { readonly displayName?: string | null; readonly privacy?: Privacy };

const conversation = fc.constantFrom(...conversationIds);
const user = fc.constantFrom(...users);
/** In hundredths, since almost all doubles below one are next to nothing. */
const share = fc.integer({ min: 0, max: 100 }).map((hundredths) => hundredths / 100);
const settings: fc.Arbitrary<Settings> = fc
  .boolean()
  .map((onlyAdminsCanPost) => ({ ...defaultSettings, onlyAdminsCanPost }));

const preferences: fc.Arbitrary<PreferencesChanged["changes"]> = fc.record(
  {
    pinned: fc.option(fc.integer({ min: 1, max: 3 })),
    archived: fc.boolean(),
    mutedUntil: fc.option(fc.integer({ min: 1, max: 9 })),
  },
  { requiredKeys: [] },
);
const profile: fc.Arbitrary<ProfileWish> = fc.record(
  {
    displayName: fc.option(fc.string({ maxLength: 5 }), { freq: 5 }),
    privacy: fc.record({
      lastSeen: fc.constantFrom("contacts" as const, "nobody" as const),
      readReceipts: fc.boolean(),
    }),
  },
  { requiredKeys: [] },
);

const byUsers: fc.Arbitrary<Wished> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("join" as const),
      in: conversation,
      users: fc.subarray([...users], { minLength: 1 }),
      all: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("leave" as const), in: conversation, user }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("role" as const),
      in: conversation,
      user,
      role: fc.constantFrom<Role>("owner", "admin", "member"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("rename" as const),
      in: conversation,
      name: fc.string({ maxLength: 5 }),
      settings,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("send" as const), in: conversation, user, reply: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("receipt" as const),
      in: conversation,
      user,
      share,
      read: fc.boolean(),
      private: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("edit" as const, "delete" as const), in: conversation, user, share }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("react" as const),
      in: conversation,
      user,
      share,
      emoji: fc.constantFrom("👍", "🎉", "e"),
      remove: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("prefer" as const), in: conversation, user, changes: preferences }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("profile" as const), user, changes: profile }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("removeDevice" as const),
      user,
      device: fc.constantFrom("phone", "laptop"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("register" as const),
      user,
      device: fc.constantFrom("phone", "laptop"),
      mobile: fc.boolean(),
    }),
  },
);

const acting = fc.constantFrom<Acting>("bot", "app for a user", "app", "system", "operator");
/** Most are by users. */
export const wish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 2, arbitrary: byUsers },
  { weight: 1, arbitrary: fc.tuple(byUsers, acting).map(([wished, as]): Wish => ({ ...wished, as })) },
);
