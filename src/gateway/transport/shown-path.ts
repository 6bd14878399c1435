/**
 * A request's path as logs may have it: without a query, which may carry a token, and without what follows
 * `/hooks/in/`, which is one. `deploy/haproxy.cfg` does the same.
 */
export const shownPath = (path: string): string =>
  path.replace(/\?.*$/s, "").replace(/^((?:\/|%2f)+hooks(?:\/|%2f)+in(?:\/|%2f)+).+$/is, "$1***");
