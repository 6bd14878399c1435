import type { Role, Settings } from "./conversation.events.js";

/** What a present member of a group may be allowed to do. Every member may leave, read, react and change their own messages. */
export type GroupAct =
  "post" | "invite" | "removeMember" | "removeOwner" | "editProfile" | "editSettings" | "changeRoles" | "deleteOthers";

type Rank = "everyone" | "admins" | "owners";

/** PROTOCOL §6's matrix: which role may do what, as far as the settings have a say. Direct conversations have no roles. */
const matrix: Readonly<Record<GroupAct, (settings: Settings) => Rank>> = {
  post: ({ onlyAdminsCanPost }) => (onlyAdminsCanPost ? "admins" : "everyone"),
  invite: ({ allowMemberInvites }) => (allowMemberInvites ? "everyone" : "admins"),
  removeMember: () => "admins",
  removeOwner: () => "owners",
  editProfile: ({ onlyAdminsCanEdit }) => (onlyAdminsCanEdit ? "admins" : "everyone"),
  editSettings: () => "admins",
  changeRoles: () => "owners",
  deleteOthers: () => "admins",
};

const ranks: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };
const needed: Readonly<Record<Rank, number>> = { everyone: 0, admins: 1, owners: 2 };

export const mayInGroup = (role: Role, act: GroupAct, settings: Settings): boolean =>
  ranks[role] >= needed[matrix[act](settings)];
