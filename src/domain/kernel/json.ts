/** Printable ASCII without the two that JSON escapes: nearly every id and key. */
const plain = /^[ !#-[\]-~]*$/;

/** `JSON.stringify` of a text, for templates: without a call into the serializer where nothing has to be escaped. */
export const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text));
