import type { Role, Settings } from "./conversation.events.js";

/** What a present member of a group may do. Direct conversations have no roles: there only `post` exists. */
export type GroupAct = "post" | "invite" | "removeMember" | "removeOwner";

type Rule = "everyone" | "admins" | "owners" | ((settings: Settings) => "everyone" | "admins");

/** PROTOCOL §6's matrix. */
const rules: Readonly<Record<GroupAct, Rule>> = {
  post: (settings) => (settings.onlyAdminsCanPost ? "admins" : "everyone"),
  invite: (settings) => (settings.allowMemberInvites ? "everyone" : "admins"),
  removeMember: "admins",
  removeOwner: "owners",
};

const ranks: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };
const ranksNeeded = { everyone: 0, admins: 1, owners: 2 } as const;

export const mayInGroup = (role: Role, act: GroupAct, settings: Settings): boolean => {
  const rule = rules[act];
  return ranks[role] >= ranksNeeded[typeof rule === "function" ? rule(settings) : rule];
};
