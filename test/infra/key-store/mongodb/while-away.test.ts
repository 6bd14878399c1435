import { describe, expect, it } from "vitest";
import { refusingWhileAway } from "../../../../src/infra/key-store/mongodb/while-away.js";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";
import { settled } from "../../../kit/turns.js";

type Question = {
  readonly ids: readonly string[];
  readonly answer: (answer: string) => void;
  readonly fail: (error: Error) => void;
};

/** A server that answers when the test says so, asked by callers whose pauses end when the test says so. */
const create = () => {
  const questions: Question[] = [];
  const pauses: (() => void)[] = [];
  const guarded = refusingWhileAway(
    (ids) => new Promise<string>((answer, fail) => questions.push({ ids, answer, fail })),
    (_, stopped) =>
      new Promise((end) => {
        pauses.push(end);
        stopped.addEventListener("abort", () => {
          end();
        });
      }),
  );
  /** What the callers of these ids have been told by the end of the turn. */
  const told = async (...ids: string[]): Promise<readonly string[]> => {
    const answers = ids.map(() => "waits");
    ids.forEach((id, i) => {
      guarded.ask([id]).then(
        (answer) => (answers[i] = answer),
        (error: unknown) => (answers[i] = error instanceof Error ? error.message : "no error"),
      );
    });
    await settled();
    return answers;
  };
  const take = (): Question => {
    const [question] = questions.splice(0, 1);
    if (question === undefined) throw new Error("nothing is asked");
    return question;
  };
  const fails = async (question: Question, message: string): Promise<void> => {
    question.fail(new StoreUnavailable(message));
    await settled();
  };
  return { guarded, questions, pauses, told, take, fails };
};

describe("a server of keys that does not answer", () => {
  it("keeps the first callers waiting, and no other: they are refused at once with what the first were told", async () => {
    const { guarded, told, take, fails } = create();
    const first = guarded.ask(["a", "b"]);
    expect(await told("c")).toEqual(["waits"]);
    const [ab, c] = [take(), take()];
    const rejected = expect(first).rejects.toThrow("no answer");
    await fails(ab, "no answer");
    await rejected;
    expect(guarded.isAway()).toBe(true);
    expect(await told("a", "d")).toEqual(["no answer", "no answer"]);
    await fails(c, "no answer either");
    expect(await told("e")).toEqual(["no answer"]);
  });

  it("is asked again behind them, for one id at a time and after a pause, until it answers: then callers are answered", async () => {
    const { guarded, questions, pauses, told, take, fails } = create();
    guarded.ask(["a", "b"]).catch(() => undefined);
    await fails(take(), "no answer");
    await told("c", "d");
    expect(questions.map(({ ids }) => ids)).toEqual([["a"]]);
    await fails(take(), "still none");
    expect([questions.length, pauses.length]).toEqual([0, 1]);
    pauses.shift()?.();
    await settled();
    take().answer("there");
    await settled();
    expect(guarded.isAway()).toBe(false);
    expect(await told("d")).toEqual(["waits"]);
    expect(take().ids).toEqual(["d"]);
  });

  it("is not taken for away because it refuses a question, and is back when it refuses one", async () => {
    const { guarded, told, take, fails } = create();
    guarded.ask(["bad"]).catch(() => undefined);
    take().fail(new Error("not allowed"));
    await settled();
    expect(guarded.isAway()).toBe(false);
    expect(await told("a")).toEqual(["waits"]);
    await fails(take(), "no answer");
    expect(guarded.isAway()).toBe(true);
    take().fail(new Error("not allowed"));
    await settled();
    expect(guarded.isAway()).toBe(false);
  });

  it("is asked nothing more after the end, which waits for the question that is under way and for no pause", async () => {
    const { guarded, questions, pauses, take, fails } = create();
    guarded.ask(["a"]).catch(() => undefined);
    await fails(take(), "no answer");
    const ended = { is: false };
    const stop = guarded.stop().then(() => (ended.is = true));
    await settled();
    expect(ended.is).toBe(false);
    await fails(take(), "still none");
    await stop;

    const other = create();
    other.guarded.ask(["a"]).catch(() => undefined);
    await other.fails(other.take(), "no answer");
    await other.fails(other.take(), "still none");
    expect(other.pauses).toHaveLength(1);
    await other.guarded.stop();
    expect([questions, pauses, other.questions]).toEqual([[], [], []]);
  });
});
