import { entriesOf, entryChunks, jsonChunk, jsonOf, type SnapshotFormat } from "../kernel/chunks.snapshot.js";
import type { ConversationId, DeviceId } from "../kernel/ids.js";
import type { SealedText } from "../kernel/sealed.js";
import type { Device, Preferences, Registered, User } from "./user.js";

type Head = Pick<Registered, "privacy" | "erasedAt"> & { readonly displayName?: SealedText };

export const userSnapshot: SnapshotFormat<User> = {
  version: 3,

  chunksOf: (state) => {
    if (state.situation === "unseen") return [];
    const { displayName, privacy, erasedAt } = state;
    const head: Head = {
      privacy,
      ...(displayName === undefined ? {} : { displayName }),
      ...(erasedAt === undefined ? {} : { erasedAt }),
    };
    return [
      jsonChunk("head", () => head),
      ...entryChunks("devices", state.devices, (entry) => entry),
      ...entryChunks("preferences", state.preferences, (entry) => entry),
    ];
  },

  stateOf: (chunks) => {
    if (chunks.size === 0) return { situation: "unseen" };
    const { displayName, privacy, erasedAt } = jsonOf(chunks, "head") as Head;
    return {
      situation: "registered",
      displayName,
      privacy,
      devices: new Map(entriesOf(chunks, "devices") as [DeviceId, Device][]),
      preferences: new Map(entriesOf(chunks, "preferences") as [ConversationId, Preferences][]),
      ...(erasedAt === undefined ? {} : { erasedAt }),
    };
  },
};
