import type { Amendments } from "../domain/conversation/amendments.js";
import type { Conversation } from "../domain/conversation/conversation.js";
import type { Messages } from "../domain/conversation/messages.js";
import { recentBytes } from "../domain/conversation/recent.js";
import type { Receipts } from "../domain/receipts/receipts.js";
import type { User } from "../domain/user/user.js";

/**
 * What folded states weigh in memory, in bytes: estimates that err on the heavy side. A conversation of 100,000 messages
 * and two members took 493 KiB with Node 20, 444 of them for the ids of those before the window, where this says 497
 * (`test/commands/for-ever.test.ts` measures it again); one of three messages 3 KiB. Asked after every append, so they do not walk what is large.
 */
const bytes = {
  state: 1_024,
  member: 400,
  window: 1_500,
  name: 100,
  amendment: 500,
  reaction: 200,
  cursors: 400,
  device: 250,
};

export const weightOfConversation = ({ state, index }: { state: Conversation; index: Messages }): number => {
  if (state.situation === "absent") return bytes.state;
  const { members, former } = state;
  const { recent, amendments } = index;
  return (
    bytes.state +
    (members.size + former.size) * bytes.member +
    bytes.window +
    recentBytes(recent) +
    recent.names.numbers.size * bytes.name +
    weightOfAmendments(amendments)
  );
};

const weightOfAmendments = ({ byId, reactions }: Amendments): number =>
  byId.size * bytes.amendment + reactions * bytes.reaction;

export const weightOfReceipts = (state: Receipts): number => bytes.state + state.size * bytes.cursors;

export const weightOfUser = (state: User): number =>
  bytes.state + (state.situation === "unseen" ? 0 : (state.devices.size + state.preferences.size) * bytes.device);
