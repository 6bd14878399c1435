import type { Sealed } from "../../domain/kernel/sealed.js";

/** A constructor that makes nothing: the private field of its subclass comes into the object that it is given. */
const Given = function (sealed: Sealed): Sealed {
  return sealed;
} as unknown as new (sealed: Sealed) => object;

class Riding extends Given {
  #text: string | undefined;
  constructor(sealed: Sealed, text: string) {
    super(sealed);
    this.#text = text;
  }
  static take(sealed: object): string | undefined {
    if (!(#text in sealed)) return undefined;
    const text = sealed.#text;
    sealed.#text = undefined;
    return text;
  }
}

/**
 * The text rides on the sealed object from here to delivery, a matter of milliseconds, so that what this process has just
 * sealed need not be opened again. It is a private field: no part of what the object is, nor of any copy of it, whether
 * by spread, JSON, structured clone or a logger. So it ends with the object, or where it is taken.
 *
 * The object stays a plain one, equal to what is read back: a class would be another kind for those who compare
 * prototypes. It costs what a class costs, 15 ns; a WeakMap costs 110.
 */
export const withPlaintext = (sealed: Sealed, text: string): Sealed => {
  new Riding(sealed, text);
  return sealed;
};

/** Once: the second time it is gone. */
export const takePlaintext = (sealed: Sealed): string | undefined => Riding.take(sealed);
