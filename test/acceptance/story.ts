import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ParleyError, type Client } from "../../client/index.js";
import { conversationOf, connectDevice, eventually, text, textsOf } from "../kit/device.js";
import {
  conversationsIn,
  messagesOf,
  readLog,
  shownOf,
  trueMessagesOf,
  withTexts,
  type HistorySource,
} from "../kit/history.js";
import type { Door, ServerProcess } from "../kit/server.js";

/** Where the story takes place: one process or many. */
export type StoryPlace = {
  /** A user's id by the name that the story gives. */
  readonly user: (name: "alice" | "bob" | "carol") => string;
  /** Where each device connects. */
  readonly doors: Readonly<Record<"phone" | "laptop" | "bob", Door>>;
  /** All that Parley consists of, to be killed and started again one by one. */
  readonly processes: readonly ServerProcess[];
  /** The log says from then on that the user was erased. */
  readonly erase: (userId: string) => Promise<void>;
  /** The truth; read when no process runs any more. */
  readonly source: HistorySource;
  readonly dispose: () => Promise<void>;
};

/** Alice has a phone and a laptop, bob a phone. The steps build on one another, as days do. */
export const acceptanceStory = (name: string, open: () => Promise<StoryPlace>): void => {
  describe(name, () => {
    let place: StoryPlace;
    let alice = "";
    let bobsId = "";
    let phone: Client;
    let laptop: Client;
    let bob: Client;
    let direct = "";
    let group = "";
    let book = "";

    const everyDevice = (): readonly Client[] => [phone, laptop, bob];
    const everyoneHas = (conversationId: string, value: string) =>
      eventually(
        () => everyDevice().every((device) => textsOf(device, conversationId).includes(value)),
        `all have ${value}`,
        settledMsMax,
      );
    const stateOf = async (device: Client, conversationId: string) =>
      (await askedAgain(() => device.conversation(conversationId))).state;
    const unreadOf = async (device: Client, conversationId: string) => (await stateOf(device, conversationId)).unread;

    beforeAll(async () => {
      place = await open();
      [alice, bobsId] = [place.user("alice"), place.user("bob")];
      phone = await connectDevice(place.doors.phone, alice, "phone", { deviceType: "mobile" });
      laptop = await connectDevice(place.doors.laptop, alice, "laptop", { deviceType: "desktop" });
      bob = await connectDevice(place.doors.bob, bobsId, "phone", { deviceType: "mobile" });
    });
    afterAll(async () => {
      for (const device of [phone, laptop, bob]) device.close();
      await place.dispose();
    });

    it("a direct conversation is one, whoever starts it", async () => {
      const first = await askedAgain(() => phone.createDirect(bobsId));
      const second = await askedAgain(() => bob.createDirect(alice));
      expect(second.conversationId).toBe(first.conversationId);
      expect(first).toMatchObject({ type: "direct", peerId: bobsId, memberCount: 2, pos: 1, lastSequence: 0 });
      direct = first.conversationId;
      await eventually(() => everyDevice().every((device) => device.conversations.has(direct)), "all know it");
    });

    it("a message is acknowledged and reaches every device, the sender's included", async () => {
      const ack = await phone.send(direct, text("Hello, Bob")).accepted;
      expect(ack).toMatchObject({ sequence: 1, pos: 2, duplicate: false, conversationId: direct });
      await everyoneHas(direct, "Hello, Bob");
      expect(new Set(everyDevice().map((device) => conversationOf(device, direct).pos))).toEqual(new Set([2]));
    });

    it("delivered and read reach the sender; reading makes unread 0 on every device", async () => {
      const receipts = () => conversationOf(laptop, direct).receipts.get(bobsId);
      await eventually(() => receipts()?.deliveredUpTo === 1, "alice's laptop sees it delivered");
      expect(await unreadOf(bob, direct)).toBe(1);
      bob.markRead(direct, 1);
      await eventually(() => receipts()?.readUpTo === 1, "alice's laptop sees it read");
      expect(await unreadOf(bob, direct)).toBe(0);
      expect(await stateOf(phone, direct)).toMatchObject({ deliveredToAll: 1, readByAll: 1, unread: 0 });
    });

    it("one device's reading is news to the user's other device", async () => {
      await bob.send(direct, text("Hello, Alice")).accepted;
      await everyoneHas(direct, "Hello, Alice");
      phone.markRead(direct, 2);
      await eventually(() => conversationOf(laptop, direct).inbox.readUpTo === 2, "the laptop knows");
      expect(conversationOf(laptop, direct).inbox.unread).toBe(0);
    });

    it("a group is made once, however often it is asked for", async () => {
      const asked = { name: "Friends", participantIds: [bobsId], clientRequestId: "r-1" };
      const first = await askedAgain(() => phone.createGroup(asked));
      expect(await askedAgain(() => phone.createGroup(asked))).toEqual(first);
      expect(first).toMatchObject({ type: "group", name: "Friends", myRole: "owner", memberCount: 2 });
      group = first.conversationId;
      await laptop.send(group, text("Welcome")).accepted;
      await everyoneHas(group, "Welcome");
      const { members } = await askedAgain(() => bob.members(group));
      expect(members.map(({ userId, role }) => [userId, role])).toEqual([
        [alice, "owner"],
        [bobsId, "member"],
      ]);
    });

    it("bob is offline for 1,000 messages and has them when he comes back", async () => {
      bob.close();
      await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => laptop.send(group, text(`while you slept ${i}`)).accepted),
      );
      bob = await connectDevice(place.doors.bob, bobsId, "phone");
      const { messages } = await askedAgain(() => bob.history(group, { limit: 200 }));
      expect(messages.map(({ sequence }) => sequence)).toEqual(range(802, 200));
      expect(await unreadOf(bob, group)).toBe(1_001);
    });

    it("a device that was away for 1,000 messages syncs every one of them from its cursor", async () => {
      const seen: number[] = [];
      for (let pos = 2, more = true; more;) {
        const asked = { cursors: { [group]: pos }, only: true, limit: 1_000 };
        const answer = await askedAgain(() => bob.request("sync", asked));
        const [entry] = answer.conversations as {
          pos: number;
          hasMore: boolean;
          changes: { type: string; payload: { sequence: number } }[];
        }[];
        seen.push(...(entry?.changes ?? []).map(({ payload }) => payload.sequence));
        more = entry?.hasMore === true;
        pos = entry?.pos ?? 0;
      }
      expect(seen).toEqual(range(2, 1_000));
    });

    it("a removed member sees no more, and comes back to what was said since", async () => {
      await phone.removeMember(group, bobsId);
      await eventually(() => conversationOf(bob, group).membership === "left", "bob knows that he is out");
      await phone.send(group, text("without bob")).accepted;
      await expect(bob.send(group, text("let me in")).accepted).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(askedAgain(() => bob.members(group))).rejects.toMatchObject({ code: "FORBIDDEN" });
      const { messages } = await askedAgain(() => bob.history(group, { limit: 1 }));
      expect(messages[0]?.content).toEqual(text("while you slept 999"));
      expect(await phone.addMembers(group, [bobsId, alice])).toEqual({ added: [bobsId], memberCount: 2 });
      await eventually(() => conversationOf(bob, group).membership === "member", "bob is back");
      await phone.send(group, text("welcome back")).accepted;
      await everyoneHas(group, "welcome back");
      expect(await unreadOf(bob, group)).toBe(1);
      const { messages: newest } = await askedAgain(() => bob.history(group, { limit: 200 }));
      expect(newest.map(({ content }) => content)).not.toContainEqual(text("without bob"));
    });

    it("the laptop dies and comes back to the same conversation", async () => {
      laptop.close();
      await phone.send(direct, text("are you there?")).accepted;
      laptop = await connectDevice(place.doors.laptop, alice, "laptop");
      await askedAgain(() => laptop.history(direct, {}));
      await laptop.send(direct, text("yes")).accepted;
      await everyoneHas(direct, "yes");
      expect(textsOf(laptop, direct)).toEqual(["Hello, Bob", "Hello, Alice", "are you there?", "yes"]);
    });

    it("each process is killed and started again: nothing is lost, everybody goes on by themselves", async () => {
      const epoch = phone.connected()?.epoch;
      for (const [i, process] of place.processes.entries()) {
        await process.kill();
        const pending = phone.send(direct, text(`into the void ${i}`)).accepted;
        await process.start();
        expect(await pending).toMatchObject({ sequence: 5 + i });
        await everyoneHas(direct, `into the void ${i}`);
      }
      expect(phone.connected()?.epoch).toBe(epoch);
      const { messages } = await askedAgain(() => bob.history(direct, {}));
      expect(messages.map(({ sequence }) => sequence)).toEqual(range(1, 4 + place.processes.length));
    });

    it("SIGTERM tells the clients, ends with 0 and leaves everything in place", async () => {
      for (const [i, process] of place.processes.entries()) {
        expect(await process.terminate()).toBe(0);
        await process.start();
        await eventually(
          () => everyDevice().every((device) => device.connection().kind === "online"),
          "all back",
          settledMsMax,
        );
        await bob.send(direct, text(`still here ${i}`)).accepted;
        await everyoneHas(direct, `still here ${i}`);
      }
    });

    it("a user who is erased is forgotten by every device that met them, also by one that was away", async () => {
      const carolsId = place.user("carol");
      const carol = await connectDevice(place.doors.bob, carolsId, "phone");
      book = (await askedAgain(() => phone.createGroup({ name: "Books", participantIds: [bobsId, carolsId] })))
        .conversationId;
      await eventually(() => carol.conversations.has(book), "carol is in it");
      await carol.send(book, text("of carol")).accepted;
      await phone.send(book, text("of alice")).accepted;
      await everyoneHas(book, "of alice");
      const before = await askedAgain(() => laptop.request("sync", {}));
      await place.erase(carolsId);
      await eventually(() => carol.connection().kind === "closed", "carol's phone is out", settledMsMax);
      expect([...carol.conversations]).toEqual([]);
      for (const device of everyDevice()) {
        await eventually(() => device.erased.has(carolsId), "all have heard of it", settledMsMax);
        expect(textsOf(device, book)).toEqual([undefined, "of alice"]);
      }
      const { erased } = await askedAgain(() => laptop.request("sync", { token: before.token }));
      expect(erased).toEqual([carolsId]);
    });

    it("the log says what everybody was told", async () => {
      const whole = (device: Client) => askedAgain(() => device.history(direct, { limit: 200 }));
      const told = await Promise.all(everyDevice().map(whole));
      for (const device of everyDevice()) device.close();
      for (const process of place.processes) expect(await process.terminate()).toBe(0);
      const log = conversationsIn(await readLog(place.source));
      const sizes = [...log.values()].map((conversation) => [
        conversation.conversationId,
        messagesOf(conversation).length,
      ]);
      // Of the group: the welcome, those that bob slept through, the one without him, and the one after.
      expect(sizes).toEqual([
        [direct, 4 + 2 * place.processes.length],
        [group, 1_003],
        [book, 2],
      ]);
      await withTexts(place.source, async (open) => {
        const conversation = log.get(direct);
        if (conversation === undefined) throw new Error("the direct conversation is not in the log");
        const truth = [...(await trueMessagesOf(conversation, open)).values()].map(({ shown }) => shown);
        for (const { messages } of told) expect(messages.map(shownOf)).toEqual(truth);
      });
    });
  });
};

/** What a process that was killed had to do is done by another one within 15 s; machines that are busy take longer. */
export const settledMsMax = 45_000;

/** As the protocol has it: a client that is told that an answer is not to be had now asks again. */
const askedAgain = async <A>(ask: () => Promise<A>): Promise<A> => {
  let answer: A | undefined;
  await eventually(
    async () => {
      answer = await ask().catch((error: unknown) => {
        if (error instanceof ParleyError && error.code === "UNAVAILABLE") return undefined;
        throw error;
      });
      return answer !== undefined;
    },
    "an answer",
    settledMsMax,
  );
  return answer as A;
};

const range = (from: number, length: number): readonly number[] => Array.from({ length }, (_, i) => from + i);
