import type { RouteName } from "../../../client/contract/routes.js";
import type { Built } from "../protocol/not-built.js";
import { conversationRoutes } from "./conversations.js";
import { memberRoutes } from "./members.js";
import { messageRoutes } from "./messages.js";
import { peopleRoutes } from "./people.js";
import type { Route } from "./route.js";

const built = [...conversationRoutes, ...memberRoutes, ...messageRoutes, ...peopleRoutes];

type NameOf<R extends Route> = R extends Route<infer M, infer Path> ? `${M} ${Path}` : never;
type Taken = NameOf<(typeof built)[number]>;
/** Does not compile when a call of the contract is missing here, or one is here that it does not have. */
type Covering<Routes> = [Taken, Built<RouteName>] extends [Built<RouteName>, Taken] ? Routes : never;

/** PROTOCOL §6, as far as it is built. */
export const routes: Covering<readonly Route[]> = built;
