import { E, t, type Either } from "../../domain/kernel/fp.js";

/**
 * io-ts codecs that suit a wire: unknown fields are dropped, every codec's name is what a refused client reads as
 * `expected`, and an error's context holds nothing but the path (io-ts' own intersections and unions add their own
 * keys to it). A failure with the message `tooLarge` becomes TOO_LARGE instead of INVALID_MESSAGE.
 */
export const tooLarge = "TOO_LARGE";

type Props = Readonly<Record<string, t.Mixed>>;
type Shape<R extends Props, O extends Props> = { readonly [K in keyof R]: t.TypeOf<R[K]> } & {
  readonly [K in keyof O]?: t.TypeOf<O[K]>;
};

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value that is kept as it is when the test holds. */
export const checked = <A>(expected: string, is: (value: unknown) => value is A): t.Type<A> =>
  new t.Type<A>(
    expected,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );

/** A codec of input that is only ever decoded, and that may make something else of it. */
export const decoder = <A>(
  expected: string,
  validate: (value: unknown, context: t.Context) => Either<t.Errors, A>,
): t.Type<A, unknown> =>
  new t.Type<A, unknown>(expected, (value): value is A => E.isRight(validate(value, [])), validate, t.identity);

/** A codec of objects that says what they hold, for documents of the interface. */
export type Fields<A> = t.Type<A, unknown> & {
  readonly fields: readonly { readonly key: string; readonly codec: t.Mixed; readonly mandatory: boolean }[];
};

/** An object of required and optional fields; `null` is not absence. Everything else in it is dropped. */
export const shape = <R extends Props, O extends Props>(required: R, optional: O): Fields<Shape<R, O>> => {
  const fields = [
    ...Object.entries(required).map(([key, codec]) => ({ key, codec, mandatory: true })),
    ...Object.entries(optional).map(([key, codec]) => ({ key, codec, mandatory: false })),
  ];
  const self: t.Type<Shape<R, O>, unknown> = decoder("an object", (value, context) => {
    if (!isObject(value)) return t.failure(value, context);
    const kept: Record<string, unknown> = {};
    const errors: t.ValidationError[] = [];
    for (const { key, codec, mandatory } of fields) {
      const given = Object.hasOwn(value, key) ? value[key] : undefined;
      if (given === undefined && !mandatory) continue;
      const decoded = codec.validate(given, t.appendContext(context, key, codec, given));
      if (E.isLeft(decoded)) errors.push(...decoded.left);
      else kept[key] = decoded.right;
    }
    return errors.length > 0 ? t.failures(errors) : t.success(kept as Shape<R, O>);
  });
  return Object.assign(self, { fields });
};

/** Between `min` and `max` items; more are TOO_LARGE and are not looked at. */
export const list = <A>(items: string, item: t.Type<A, unknown>, min: number, max: number): t.Type<readonly A[]> =>
  decoder(min === 0 ? `a list of at most ${max} ${items}` : `a list of ${min} to ${max} ${items}`, (value, context) => {
    if (!Array.isArray(value) || value.length < min) return t.failure(value, context);
    if (value.length > max) return t.failure(value, context, tooLarge);
    const kept: A[] = [];
    const errors: t.ValidationError[] = [];
    value.forEach((given: unknown, index) => {
      const decoded = item.validate(given, t.appendContext(context, String(index), item, given));
      if (E.isLeft(decoded)) errors.push(...decoded.left);
      else kept.push(decoded.right);
    });
    return errors.length > 0 ? t.failures(errors) : t.success(kept);
  }) as t.Type<readonly A[]>;

export const integer = (min: number, max: number = Number.MAX_SAFE_INTEGER): t.Type<number> =>
  checked(
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
    (value): value is number => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  );

export const number = (min: number, max: number): t.Type<number> =>
  checked(
    `a number from ${min} to ${max}`,
    (value): value is number => typeof value === "number" && value >= min && value <= max,
  );

export const boolean = checked("true or false", (value): value is boolean => typeof value === "boolean");

export const nullable = <A>(codec: t.Type<A>): t.Type<A | null> =>
  checked(`${codec.name}, or null`, (value): value is A | null => value === null || codec.is(value));

export const oneOf = <A extends string>(...values: readonly A[]): t.Type<A> => {
  const quoted = values.map((value) => JSON.stringify(value)).join(", ");
  return checked(
    values.length === 1 ? quoted : `one of ${quoted}`,
    (value): value is A => typeof value === "string" && (values as readonly string[]).includes(value),
  );
};

/** Half of a surrogate pair: not Unicode text, and would not come back as it went in. */
const loneSurrogate = /\p{Surrogate}/u;
export const isWellFormed = (text: string): boolean => !loneSurrogate.test(text);

/** Characters are code points. Too many of them are INVALID_MESSAGE (PROTOCOL §8), unlike bytes. */
export const text = (min: number, max: number): t.Type<string> =>
  checked(`${min} to ${max} characters`, (value): value is string => {
    if (typeof value !== "string" || value.length > 2 * max || !isWellFormed(value)) return false;
    const characters = value.length <= max ? value.length : Array.from(value).length;
    return characters >= min && characters <= max;
  });

/** Something that can be seen: neither white space nor what has no glyph of its own. U+2800 is braille without a dot. */
const visible = /(?![\p{Default_Ignorable_Code_Point}\u2800])[\p{L}\p{N}\p{P}\p{S}\p{Extended_Pictographic}]/u;

/** What others are to recognise a user or a group by. */
export const nameText = (max: number): t.Type<string> => {
  const characters = text(1, max);
  return checked(
    `${characters.name}, a visible one among them`,
    (value): value is string => characters.is(value) && visible.test(value),
  );
};

/** Said rather than ignored: a client that asks for it must not believe that it was done. */
export const notYet = (what: string): t.Type<undefined> =>
  checked(`nothing: ${what} are not supported yet`, (value): value is undefined => value === undefined);
