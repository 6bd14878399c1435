/** Every bound of the domain, with its reason. Bounds of sockets and queues are the gateway's and the adapters' own. */
export const limits = {
  /** Members an event carries: 256 ids of 128 characters stay below `eventBytesMax`. */
  membersPerEvent: 256,
  /** Members of a group unless it is configured otherwise; delivery of larger ones needs the large lane. */
  groupMembersMax: 1024,
  /** Different emoji on one message. */
  reactionsPerMessageMax: 50,
  /** How far a clock may be ahead and still be believed: that of an issuer of tokens, or that of another process. */
  clockAheadMsMax: 60_000,
  /** Devices of a user; the longest unseen gives way to a new one. */
  devicesMax: 10,
  /** Devices of a user whose last use is known beside the log: ten are registered, some were removed. */
  deviceUsesMax: 32,
  /** Ids that one `POST /groups` names. */
  participantsMax: 1000,
  /** One event, so that every event store takes it and no reader is surprised. */
  eventBytesMax: 64 * 1024,
  /** One append: half of EventStoreDB's smallest default. */
  appendBytesMax: 512 * 1024,
  /** `content` as UTF-8 JSON. */
  messageBytesMax: 16 * 1024,
  metadataBytesMax: 4 * 1024,
  /** Members that one message names: more is everybody, and what each costs is a notification. */
  mentionsMax: 50,
  groupNameCharsMax: 100,
  groupDescriptionCharsMax: 512,
  /** Newest idempotency keys that a folded conversation keeps: a retry is seconds old, not thousands of messages. */
  recentMessagesMax: 1000,
  /** Messages whose changes a folded conversation knows: every recent one, and a thousand old ones at least. */
  amendedMessagesMax: 4000,
  /** Commands that are decided and appended together: so many are decided again when the log does not take them. */
  commandsPerAppendMax: 256,
} as const;
