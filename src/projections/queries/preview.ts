import type { ContentType } from "../../domain/conversation/conversation.events.js";

const previewCharsMax = 120;

/** The first characters (code points) of what a message says. End-to-end content says nothing to a server. */
export const previewOf = (type: ContentType, content: string): string => {
  switch (type) {
    case "text":
      return start(content, "text");
    case "image":
    case "video":
    case "audio":
    case "document":
      return start(content, "caption");
    case "location":
      return start(content, "label");
    case "encrypted":
      return "";
  }
};

const start = (content: string, field: string): string => {
  const value = (JSON.parse(content) as Readonly<Record<string, unknown>>)[field];
  if (typeof value !== "string") return "";
  // A code point is at most two units, so the cut in front of Array.from cannot split one that is kept.
  return Array.from(value.slice(0, 2 * previewCharsMax))
    .slice(0, previewCharsMax)
    .join("");
};
