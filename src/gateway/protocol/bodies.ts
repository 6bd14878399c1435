import { clientMessageIdCodec, userIdCodec } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";
import { gatewayLimits } from "../limits.js";
import { boolean, integer, list, nameText, notYet, nullable, oneOf, shape, text } from "./codecs.js";

/** The bodies of PROTOCOL §6's calls. "Exactly one other user" is the handler's to check: it knows who asks. */
export const startDirectBody = shape(
  { type: oneOf("direct"), participantIds: list("user ids", userIdCodec, 0, limits.participantsMax) },
  {},
);

const settings = shape(
  {},
  {
    onlyAdminsCanPost: boolean,
    onlyAdminsCanEdit: boolean,
    allowMemberInvites: boolean,
    historyVisibility: oneOf("since_join", "all"),
  },
);

export const startGroupBody = shape(
  {
    name: nameText(limits.groupNameCharsMax),
    participantIds: list("user ids", userIdCodec, 0, limits.participantsMax),
  },
  {
    description: text(0, limits.groupDescriptionCharsMax),
    settings,
    clientRequestId: clientMessageIdCodec,
  },
);

export const addMembersBody = shape({ userIds: list("user ids", userIdCodec, 1, gatewayLimits.addMembersMax) }, {});

export const groupBody = shape(
  {},
  {
    name: nameText(limits.groupNameCharsMax),
    description: text(0, limits.groupDescriptionCharsMax),
    settings,
    avatarMediaId: notYet("avatars"),
    messageTtl: notYet("messages that expire"),
  },
);

export const roleBody = shape({ role: oneOf("owner", "admin", "member") }, {});

/** `pinned`: a rank, 1 on top; `mutedUntil`: Unix milliseconds. `null` takes either away. */
export const preferencesBody = shape(
  {},
  { pinned: nullable(integer(1)), archived: boolean, mutedUntil: nullable(integer(0)) },
);

export const profileBody = shape(
  {},
  {
    displayName: nullable(nameText(gatewayLimits.displayNameCharsMax)),
    avatarMediaId: notYet("avatars"),
    privacy: shape({}, { lastSeen: oneOf("contacts", "nobody"), readReceipts: boolean }),
  },
);
