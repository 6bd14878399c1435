import type { Sealed } from "../../domain/kernel/sealed.js";

/** A sealed text as a view holds it: JSON, without the digest, which only those compare who change it. */
export const sealedValue = ({ alg, keyId, data }: Sealed): string => JSON.stringify({ alg, keyId, data });

/** `sealedValue` again. */
export const sealedThere = (value: string): Sealed => JSON.parse(value) as Sealed;

/** `sealedValue` again; null for what is not there. */
export const sealedOf = (value: string | null): Sealed | null => (value === null ? null : sealedThere(value));
