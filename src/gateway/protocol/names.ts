import type { ConversationId } from "../../domain/kernel/ids.js";
import { gatewayLimits } from "../limits.js";
import { checked } from "./codecs.js";

/** Any text may be asked for: what is not an id of ours is a conversation that does not exist. */
export const isConversationName = (value: unknown): value is ConversationId =>
  typeof value === "string" && value.length > 0 && value.length <= gatewayLimits.conversationIdCharsMax;
export const conversationName = checked("a conversation id", isConversationName);

export const isFrameId = (id: unknown): id is string => typeof id === "string" && id.length > 0 && id.length <= 64;
