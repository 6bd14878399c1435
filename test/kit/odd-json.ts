import fc from "fast-check";

/** JSON as `JSON.stringify` never writes it: it says the same in other characters, or more than can be parsed. */
const number = fc.constantFrom("1.0", "1e3", "-0", "0.10", "1E+2", "-0.0e-0", "9007199254740993", "1".repeat(40));

/** A character as it is, or escaped where that is not needed; half of a pair is one too. */
const character = fc.oneof(
  fc.constantFrom("\\/", "\\b", "\\u0061", "\\u00FC", "\\uD83D\\ude00", "\\ud800", "\u2028", "\u007f", "ü", "😀"),
  fc.string({ minLength: 1, maxLength: 1 }).map((one) => JSON.stringify(one).slice(1, -1)),
);
const string = fc.array(character, { maxLength: 8 }).map((characters) => `"${characters.join("")}"`);

const space = fc.constantFrom("", "", " ", "\t", "  ");

/** A JSON value in odd characters. Names of an object may come twice, and in the order in which nobody sorts them. */
export const oddJson: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => {
  const value = tie("value");
  const member = fc.tuple(fc.oneof(string, fc.constantFrom('"2"', '"10"', '"a"')), space, value);
  const object = fc
    .tuple(space, fc.array(member, { maxLength: 4 }))
    .map(
      ([before, members]) => `{${before}${members.map(([name, gap, of]) => `${name}${gap}:${gap}${of}`).join(",")}}`,
    );
  const array = fc
    .tuple(space, fc.array(value, { maxLength: 4 }))
    .map(([before, values]) => `[${before}${values.join(`${before},`)}]`);
  const simple = fc.oneof(number, string, fc.constantFrom("true", "false", "null"));
  return { value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, simple, object, array) };
}).value;
