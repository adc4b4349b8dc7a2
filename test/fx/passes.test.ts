/** What runs and rewrites graphs: Interpreter, Transformer, ShapeProp, matcher and rewriter; and random graphs. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as o from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import type { FxNode, Kwargs, TargetFunction } from "../../src/fx/node.ts";
import { plain } from "./plain.ts";

const { fx, nn } = o;

class Net extends nn.Module {
  lin = new nn.Linear(3, 3);
  w = new nn.Parameter(o.ones(3));

  override forward(x: Tensor, y: Tensor | number = 2): unknown {
    const [n] = x.shape;
    const z = o.relu(this.lin(x)).add(this.w).mul(y);
    return { z: z.view(n, -1), list: [z.clamp({ min: 0 }), o.cat([z, x], 1)] };
  }
}

describe("Interpreter", () => {
  it("computes what the graph module does, and forgets values unless told otherwise", () => {
    const gm = fx.symbolicTrace(new Net());
    const x = o.randn(2, 3);
    const interpreter = new fx.Interpreter(gm);
    expect(plain(interpreter.run(x))).toEqual(plain(gm(x)));
    expect(interpreter.env.size).toBeLessThan(4);
    const keeping = new fx.Interpreter(gm, { garbageCollectValues: false });
    keeping.run(x, 3);
    expect(keeping.env.size).toBe(gm.graph.nodes.length - 1);
    expect(() => interpreter.run()).toThrow("Expected positional argument for parameter x, but one was not passed in!");
  });

  it("lets subclasses change what an opcode does", () => {
    class Doubling extends fx.Interpreter {
      override callFunction(target: TargetFunction, args: readonly unknown[], kwargs: Kwargs): unknown {
        const value = super.callFunction(target, args, kwargs);
        return (target as unknown) === o.relu ? o.mul(value as Tensor, 2) : value;
      }
    }
    const gm = fx.symbolicTrace((x: Tensor) => o.relu(x).add(1));
    expect(plain(new Doubling(gm).run(o.tensor([-1, 2])))).toEqual(plain(o.tensor([1, 5])));
  });
});

describe("Transformer", () => {
  it("keeps a graph that it does not change", () => {
    const gm = fx.symbolicTrace(new Net());
    const same = new fx.Transformer(gm).transform();
    same.graph.lint();
    expect(same.graph.toString()).toBe(gm.graph.toString());
    const x = o.randn(2, 3);
    expect(plain(same(x))).toEqual(plain(gm(x)));
  });

  it("records what a subclass does instead", () => {
    class SigmoidForRelu extends fx.Transformer {
      override callFunction(target: TargetFunction, args: readonly unknown[], kwargs: Kwargs): unknown {
        if ((target as unknown) === o.relu) return o.sigmoid((args[0] as Tensor).mul(2));
        return super.callFunction(target, args, kwargs);
      }
    }
    const gm = new SigmoidForRelu(fx.symbolicTrace((x: Tensor) => o.relu(x).add(1))).transform();
    expect([...gm.graph.nodes].map((node) => node.name)).toEqual(["x", "mul", "sigmoid", "add", "output"]);
  });
});

describe("ShapeProp", () => {
  it("notes shape and dtype of every tensor", () => {
    const gm = fx.symbolicTrace(new Net());
    new fx.ShapeProp(gm).propagate(o.randn(2, 3));
    const meta = (name: string): unknown => [...gm.graph.nodes].find((node) => node.name === name)?.meta.tensorMeta;
    expect(meta("cat")).toMatchObject({ shape: [2, 6], dtype: o.float32, stride: [6, 1], isQuantized: false });
    expect(meta("output")).toMatchObject({ z: { shape: [2, 3] }, list: [{ shape: [2, 3] }, { shape: [2, 6] }] });
    expect(meta("getitem")).toBeUndefined();
  });
});

describe("replacePattern", () => {
  it("replaces every occurrence, also those that follow each other", () => {
    const gm = fx.symbolicTrace((a: Tensor, b: Tensor) => o.relu(o.relu(a.mul(b)).mul(b)));
    const matches = fx.replacePattern(
      gm,
      (x: Tensor, y: Tensor) => o.relu(x.mul(y)),
      (x: Tensor, y: Tensor) => o.sigmoid(x.add(y)),
    );
    gm.graph.lint();
    expect(matches.length).toBe(2);
    expect([...gm.graph.nodes].map((node) => node.name)).toEqual([
      "a",
      "b",
      "add",
      "sigmoid",
      "add_1",
      "sigmoid_1",
      "output",
    ]);
    const [a, b] = [o.randn(3), o.randn(3)];
    expect(plain(gm(a, b))).toEqual(plain(o.sigmoid(o.sigmoid(a.add(b)).add(b))));
  });

  it("leaves alone what is used elsewhere, what overlaps, and what filters refuse", () => {
    const pattern = (x: Tensor): Tensor => o.relu(o.tanh(x));
    const shared = fx.symbolicTrace((x: Tensor) => {
      const y = o.tanh(x);
      return o.relu(y).add(y);
    });
    expect(fx.replacePattern(shared, pattern, (x: Tensor) => o.exp(x))).toEqual([]);
    const chain = fx.symbolicTrace((x: Tensor) => o.neg(o.neg(o.neg(x))));
    expect(
      fx.replacePattern(
        chain,
        (x: Tensor) => o.neg(o.neg(x)),
        (x: Tensor) => o.clone(x),
      ).length,
    ).toBe(1);
    const kept = fx.symbolicTrace((x: Tensor) => pattern(x));
    const refuse = { matchFilters: [() => false] };
    expect(fx.replacePatternWithFilters(kept, pattern, (x: Tensor) => o.exp(x), refuse)).toEqual([]);
  });

  it("compares literals unless told otherwise, and brings modules along", () => {
    const trace = (): o.fx.GraphModule => fx.symbolicTrace((x: Tensor) => o.softmax(x, 1).mul(3));
    const pattern = (x: Tensor): Tensor => o.softmax(x, 0).mul(3);
    expect(fx.replacePattern(trace(), pattern, (x: Tensor) => o.exp(x)).length).toBe(0);
    class Replacement extends nn.Module {
      act = new nn.Sigmoid();
      override forward(x: Tensor): Tensor {
        return this.act(x);
      }
    }
    const gm = trace();
    fx.replacePatternWithFilters(gm, pattern, new Replacement(), { ignoreLiterals: true });
    gm.graph.lint();
    expect(plain(gm(o.tensor([[1, 2]])))).toEqual(plain(o.sigmoid(o.tensor([[1, 2]]))));
  });

  it("matches modules and options, and refuses patterns that cannot stand anywhere", () => {
    const graph = fx.symbolicTrace((x: Tensor) => o.relu(x, { inplace: false }).add(o.relu(x))).graph;
    const pattern = fx.symbolicTrace((x: Tensor) => o.relu(x)).graph;
    const found = new fx.SubgraphMatcher(pattern).match(graph);
    expect(found.map((match) => match.returningNodes.map((node) => node.name))).toEqual([["relu_1"]]);
    const dead = fx.symbolicTrace((x: Tensor, y: Tensor) => (o.relu(y), o.relu(x))).graph;
    expect(() => new fx.SubgraphMatcher(dead)).toThrow("dead code");
    expect(() => new fx.SubgraphMatcher(new fx.Graph())).toThrow("empty pattern");
  });
});

describe("what cannot be traced", () => {
  const refusals: readonly [what: string, fn: (x: Tensor) => unknown, message: string][] = [
    ["text", (x) => `${x.sum().toString()}${x as unknown as string}`, "cannot be converted to a number or text"],
    ["comparison", (x) => (x as unknown as number) > 0, "cannot be converted to a number or text"],
    ["item", (x) => x.item(), "item: this needs the values of a tensor"],
    ["elements", (x) => x.elements(), "elements: this needs the values"],
    ["storage", (x) => x.storage, "storage: this needs the values"],
    ["a loop", (x) => [...x], "Proxy object cannot be iterated"],
    ["length", (x) => x.shape.length, "'length' is not supported in symbolic tracing"],
    ["map", (x) => x.shape.map((n) => n), "Proxy object cannot be iterated"],
    ["a question", (x) => x.requiresGrad, "cannot be used as inputs to control flow"],
    ["assignment", (x) => (x.requiresGrad = true), "cannot be assigned to"],
    ["another module", (x) => new nn.Linear(1, 1)(x), "module is not installed as a submodule"],
    ["another parameter", (x) => x.add(new nn.Parameter(o.ones(1))), "parameter is not a member of this module"],
    ["objects of classes", (x) => x.add(new Date() as unknown as Tensor), "argument of type: Date"],
  ];
  for (const [what, fn, message] of refusals) {
    it(`${what} fails and says what to write`, () => {
      expect(() => fx.symbolicTrace(fn)).toThrow(fx.TraceError);
      expect(() => fx.symbolicTrace(fn)).toThrow(message);
    });
  }

  it("refuses parameters it cannot name, and values from a trace that has ended", () => {
    expect(() => fx.symbolicTrace((...xs: Tensor[]) => xs[0])).toThrow('"...xs"');
    expect(() => fx.symbolicTrace(({ x }: { x: Tensor }) => x)).toThrow("takes an object apart");
    const named = fx.symbolicTrace((...xs: Tensor[]) => xs[0].add(xs[1]), { inputNames: ["a", "b"] });
    expect([...named.graph.nodes].map((node) => node.name)).toEqual(["a", "b", "add", "output"]);
    let escaped: Tensor | undefined;
    fx.symbolicTrace((x: Tensor) => (escaped = x));
    expect(() => escaped?.add(1)).toThrow("after tracing has ended");
  });

  it("concreteArgs are checked when the graph runs", () => {
    const gm = fx.symbolicTrace((x: Tensor, flag: boolean) => (flag ? x.add(1) : x), { concreteArgs: { flag: true } });
    expect(plain(gm(o.ones(1), true))).toEqual(plain(o.tensor([2])));
    expect(() => gm(o.ones(1), false)).toThrow("flag has been specialized to have value true but got another value");
  });
});

describe("leaves, scopes and subclasses of Tracer", () => {
  it("note in which module a node was made, and how often it ran", () => {
    class Inner extends nn.Module {
      lin = new nn.Linear(2, 2);
      override forward(x: Tensor): Tensor {
        return this.lin(x).add(1);
      }
    }
    class Outer extends nn.Module {
      inner = new Inner();
      override forward(x: Tensor): Tensor {
        return this.inner(this.inner(x));
      }
    }
    const tracer = new fx.Tracer();
    const graph = tracer.trace(new Outer());
    const stacks = [...graph.nodes].map((node) => [
      ...((node.meta.nnModuleStack ?? new Map()) as Map<string, unknown>).keys(),
    ]);
    expect(stacks).toEqual([[], ["inner", "inner.lin"], ["inner"], ["inner@1", "inner.lin@1"], ["inner@1"], []]);
    expect(tracer.nodeNameToScope.get("add_1")).toEqual(["inner", Inner]);
    const leaf = new fx.Tracer({ leafClasses: [Inner] }).trace(new Outer());
    expect(leaf.findNodes({ op: "call_module" }).map((node) => node.target)).toEqual(["inner", "inner"]);
  });
});

// ---------------------------------------------------------------- random graphs

/** One step: which operator, and which earlier values (taken modulo their number) it gets. */
const step = fc.record({ op: fc.nat(7), a: fc.nat(30), b: fc.nat(30) });

/** A function of two tensors that computes the steps and returns the last values; some values stay unused. */
function program(steps: readonly { op: number; a: number; b: number }[]) {
  return (x: Tensor, y: Tensor): Tensor[] => {
    const values = [x, y];
    for (const { op, a, b } of steps) {
      const [p, q] = [values[a % values.length], values[b % values.length]];
      const made = [
        () => p.add(q),
        () => o.mul(p, q),
        () => o.relu(p),
        () => p.tanh(),
        () => o.cat([p, q], 0).slice(0, 0, 2),
        () => p.sub(0.5).clamp({ min: -1, max: 1 }),
        () => p.chunk(2, 0)[1].expand(2, 3),
        () => o.where(p.gt(q), p, q),
      ][op]();
      values.push(made);
    }
    return values.slice(-2);
  };
}

describe("random graphs", () => {
  it("run as the function they were traced from; passes keep them well formed and their results", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const fn = program(steps);
        const gm = fx.symbolicTrace(fn);
        const [x, y] = [o.randn(2, 3), o.randn(2, 3)];
        const expected = plain(fn(x, y));
        gm.graph.lint();
        expect(plain(gm(x, y))).toEqual(expected);
        expect(plain(new fx.Interpreter(gm).run(x, y))).toEqual(expected);
        const copy = gm.deepCopy();
        copy.graph.lint();
        expect(copy.graph.toString()).toBe(gm.graph.toString());
        copy.graph.eliminateDeadCode();
        copy.graph.lint();
        copy.recompile();
        expect(plain(copy(x, y))).toEqual(expected);
        const isDead = (node: FxNode): boolean => !node.users.size && !node.isImpure();
        expect([...copy.graph.nodes].filter(isDead).length).toBe(0);
        const again = fx.symbolicTrace(gm);
        again.graph.lint();
        expect(plain(again(x, y))).toEqual(expected);
        expect(plain(new fx.Transformer(gm).transform()(x, y))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});
