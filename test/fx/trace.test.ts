/** Graphs of small networks against those that torch.fx makes of the same ones (tools/golden/fx_trace.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { symbolicTrace } from "../../src/fx/tracer.ts";
import type { FxNode } from "../../src/fx/node.ts";
import { PYTHON_OPERATORS, printTarget } from "../../src/fx/targets.ts";
import { pythonName } from "../../src/fx/names.ts";
import { plain } from "./plain.ts";
import { networks } from "./networks.ts";

type GoldenNode = [op: string, name: string, target: string, args: string, kwargs: string];

const golden = JSON.parse(readFileSync(new URL("../golden/fx/trace.json", import.meta.url), "utf8")) as Record<
  string,
  { nodes: GoldenNode[]; text: string }
>;

/** Methods that are operators in Python are functions here: name of the method in PyTorch → name of the operator. */
const operatorMethods = new Map(Object.entries(PYTHON_OPERATORS).map(([name, python]) => [pythonName(name), python]));

/** [op, name, target] as the golden data has them; a method that is an operator of Python is a function here. */
function expected([op, name, target]: GoldenNode): [string, string, string] {
  const operator = op === "call_method" || op === "call_function" ? operatorMethods.get(target) : undefined;
  return operator ? ["call_function", name, operator] : [op, name, target];
}

function described(node: FxNode): [string, string, string] {
  const printed = printTarget(node.target);
  const target = typeof node.target === "string" ? printed : pythonName(printed.replace(/^.*\./, ""));
  return [node.op, node.name, target];
}

/**
 * The nodes that are printed otherwise than in PyTorch: Python fills in the defaults of functionals, operators of Python are
 * functions and one function serves torch and torch.nn.functional, subscripts are texts, options are named.
 */
const PRINTED_OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  Functionals: ["max_pool2d", "hardtanh", "leaky_relu", "log_softmax"],
  ReluClash: ["relu_1", "relu_3"],
  Attention: ["matmul", "truediv", "softmax"],
  Inplace: ["add_"],
  BuffersAndParameters: ["mul"],
  ParameterOnly: ["relu", "matmul"],
  Wrapped: ["clipped_sum", "clipped_sum_1"],
  Concrete: ["_assert_is_none"],
  Interpolated: ["interpolate", "pad"],
  PythonNames: ["pow_1"],
  Items: ["getitem_1", "getitem_2"],
  Dictionaries: ["relu"],
  Normalized: ["mean"],
  FreeFunction: ["mul"],
};

/** The lines of a printed graph; PyTorch returns a tuple where an array is returned here. */
function linesOf(text: string): string[] {
  return text.replace(/return \((.*)\)$/, (_, items: string) => `return [${items}]`).split("\n");
}

describe("graphs of the same network here and in PyTorch", () => {
  it("covers all networks of the golden data", () => {
    expect(Object.keys(networks).sort()).toEqual(Object.keys(golden).sort());
  });

  for (const [name, { root, inputs, concreteArgs }] of Object.entries(networks)) {
    it(`${name}: same nodes, names and targets`, () => {
      const gm = symbolicTrace(root(), { concreteArgs });
      gm.graph.lint();
      expect([...gm.graph.nodes].map(described)).toEqual(golden[name].nodes.map(expected));
    });

    it(`${name}: computes the same traced as not`, () => {
      const model = root();
      const gm = symbolicTrace(model, { concreteArgs });
      const values = inputs();
      const traced: unknown = gm(...values);
      expect(plain(traced)).toEqual(plain((model as (...args: unknown[]) => unknown)(...values)));
    });
  }

  for (const [name, { root, concreteArgs }] of Object.entries(networks)) {
    it(`${name}: same printed graph but for the nodes that are named`, () => {
      const graph = symbolicTrace(root(), { concreteArgs }).graph;
      const lines = linesOf(golden[name].text);
      const other = linesOf(graph.toString()).filter((line, i) => line !== lines[i]);
      const names = other.map((line) => /%(\w+)/.exec(line)?.[1] ?? line);
      expect(names).toEqual(PRINTED_OTHERWISE[name] ?? []);
    });
  }
});
