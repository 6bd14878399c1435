import type { UserId } from "../../../../domain/kernel/ids.js";
import type { Delivery } from "../../../../projections/ports/bus.js";
import { encodeFrame, type EncodedItem } from "../codec.js";

/** Gateways that hold a connection of each user; a user without one is not in the answer. Rejects when it is not known. */
export type GatewaysOf = (userIds: readonly UserId[]) => Promise<ReadonlyMap<UserId, readonly string[]>>;

/** What goes to each gateway, in the order given. A list of gateways: each gets everything, encoded once. */
export const routeTo = (
  deliveries: readonly Delivery[],
  places: ReadonlyMap<UserId, readonly string[]> | readonly string[],
  bytesMax: number,
): ReadonlyMap<string, readonly EncodedItem[]> => {
  const routed = new Map<string, EncodedItem[]>();
  const add = (gatewayId: string, items: readonly EncodedItem[]): void => {
    const before = routed.get(gatewayId);
    if (before === undefined) routed.set(gatewayId, [...items]);
    else for (const item of items) before.push(item);
  };
  for (const delivery of deliveries) {
    if (delivery.recipients.length === 0) continue;
    if (isList(places)) {
      const items = encodeFrame(delivery, delivery.recipients, bytesMax);
      for (const gatewayId of places) add(gatewayId, items);
    } else {
      for (const [gatewayId, recipients] of byGateway(delivery.recipients, places))
        add(gatewayId, encodeFrame(delivery, recipients, bytesMax));
    }
  }
  return routed;
};

const isList = (places: ReadonlyMap<UserId, readonly string[]> | readonly string[]): places is readonly string[] =>
  Array.isArray(places);

const byGateway = (
  recipients: readonly UserId[],
  places: ReadonlyMap<UserId, readonly string[]>,
): ReadonlyMap<string, readonly UserId[]> => {
  const grouped = new Map<string, UserId[]>();
  for (const userId of recipients) {
    for (const gatewayId of places.get(userId) ?? []) {
      const group = grouped.get(gatewayId);
      if (group === undefined) grouped.set(gatewayId, [userId]);
      else group.push(userId);
    }
  }
  return grouped;
};
