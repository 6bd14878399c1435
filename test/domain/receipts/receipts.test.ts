import { describe, expect, it } from "vitest";
import { cursorsOf, receipts, type AdvanceReceipts } from "../../../src/domain/receipts/receipts.js";
import { contextOf, given } from "../../kit/given.js";

const advance = (cursor: object, deviceId = "phone", isPrivate = false): AdvanceReceipts => ({
  type: "AdvanceReceipts",
  conversationId: "g_1",
  private: isPrivate,
  ...cursor,
  context: contextOf("bob", 1_000, `c-${JSON.stringify(cursor)}`, deviceId),
});

describe("receipts", () => {
  it("grow only; reading is receiving, on that device", () => {
    const read = given(receipts)
      .when(advance({ readUpTo: 3 }))
      .events();
    expect(read).toMatchObject([{ cursors: [{ userId: "bob", deviceId: "phone", readUpTo: 3, deliveredUpTo: 3 }] }]);
    given(receipts, read)
      .when(advance({ readUpTo: 3 }))
      .then();
    given(receipts, read)
      .when(advance({ deliveredUpTo: 3, readUpTo: 2 }))
      .then();
    const laptop = given(receipts, read)
      .when(advance({ deliveredUpTo: 2 }, "laptop"))
      .events();
    expect(laptop).toMatchObject([{ cursors: [{ deviceId: "laptop", deliveredUpTo: 2 }] }]);
    expect(cursorsOf([...read, ...laptop].reduce(receipts.evolve, receipts.initial()), "bob")).toEqual({
      readUpTo: 3,
      deliveredUpTo: 3,
      devices: new Map([
        ["phone", 3],
        ["laptop", 2],
      ]),
    });
  });

  it("name the user and the device, and nothing else of who acted", () => {
    const [read] = given(receipts)
      .when(advance({ readUpTo: 3 }))
      .events();
    expect(read?.cursors).toEqual([{ userId: "bob", deviceId: "phone", at: 1_000, readUpTo: 3, deliveredUpTo: 3 }]);
  });

  it("say so when the reader shows no reads, and only of reads", () => {
    const [read] = given(receipts)
      .when(advance({ readUpTo: 3 }, "phone", true))
      .events();
    expect(read?.cursors).toEqual([
      { userId: "bob", deviceId: "phone", at: 1_000, readUpTo: 3, deliveredUpTo: 3, private: true },
    ]);
    const [delivered] = given(receipts)
      .when(advance({ deliveredUpTo: 3 }, "phone", true))
      .events();
    expect(delivered?.cursors).toEqual([{ userId: "bob", deviceId: "phone", at: 1_000, deliveredUpTo: 3 }]);
    const [shown] = given(receipts)
      .when(advance({ readUpTo: 3 }))
      .events();
    expect(shown?.cursors[0]).not.toHaveProperty("private");
  });
});
