import { conversationRoutes } from "./conversations.js";
import { memberRoutes } from "./members.js";
import { messageRoutes } from "./messages.js";
import { peopleRoutes } from "./people.js";
import type { Route } from "./route.js";

/** PROTOCOL §6, as far as it is built. */
export const routes: readonly Route[] = [...conversationRoutes, ...memberRoutes, ...messageRoutes, ...peopleRoutes];
