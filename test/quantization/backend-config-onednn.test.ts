/** What only onednn fuses: sums behind convolutions, and LeakyReLU and Tanh behind linear layers. */
import { describe, expect, it } from "vitest";
import { manualSeed } from "../../src/core/rng.ts";
import { Graph } from "../../src/fx/graph.ts";
import type { FxNode } from "../../src/fx/node.ts";
import * as nn from "../../src/nn/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { add, randn } from "../../src/ops/index.ts";
import { getOnednnBackendConfig } from "../../src/quantization/backend-config/backends.ts";
import type { BackendPatternConfig } from "../../src/quantization/backend-config/backend-pattern-config.ts";
import type { NodePattern, Pattern } from "../../src/quantization/backend-config/pattern.ts";
import { MatchAllNode, patternKey, patternToHumanReadable } from "../../src/quantization/backend-config/pattern.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const onednn = getOnednnBackendConfig();

function configOf(pattern: Pattern): BackendPatternConfig {
  return onednn.patternConfig(patternKey(pattern)) as BackendPatternConfig;
}

function call(module: Module, ...inputs: Tensor[]): number[] {
  return [...(module.forward(...inputs) as Tensor).elements()];
}

const bnConv: Pattern = [nn.BatchNorm2d, nn.Conv2d];
const sums: readonly (readonly [string, Pattern])[] = [nn.Conv2d, bnConv].flatMap((operand) =>
  ([[add, operand, MatchAllNode] as Pattern, [add, MatchAllNode, operand] as Pattern] as const)
    .flatMap((sum): readonly Pattern[] => [sum, [nn.ReLU, sum]])
    .map((pattern) => [patternToHumanReadable(pattern), pattern] as const),
);

/** Puts something in the place of each element of a pattern. */
function mapPattern(pattern: Pattern, fn: (element: Pattern) => unknown): unknown {
  return Array.isArray(pattern) ? pattern.map((inner) => mapPattern(inner as Pattern, fn)) : fn(pattern);
}

describe.each(sums)("%s", (_name, pattern) => {
  const config = configOf(pattern);

  it("finds the convolution and what is added", () => {
    const graph = new Graph();
    const nodes = new Map<unknown, FxNode>();
    const nested = mapPattern(pattern, (element) => {
      nodes.set(element, graph.placeholder(`n${nodes.size}`));
      return nodes.get(element);
    }) as NodePattern;
    expect(config.rootNodeGetter?.(nested)).toBe(nodes.get(nn.Conv2d));
    expect(config.extraInputsGetter?.(nested)).toEqual([nodes.get(MatchAllNode)]);
  });

  it("computes what the parts compute one after the other", () => {
    manualSeed(1);
    const conv = new nn.Conv2d(2, 3, 3).eval();
    const bn = new nn.BatchNorm2d(3);
    bn.forward(randn([4, 3, 5, 5])); // moves the statistics away from 0 and 1
    bn.eval();
    const relu = new nn.ReLU();
    const modules = new Map<unknown, unknown>([
      [nn.Conv2d, conv],
      [nn.BatchNorm2d, bn],
      [nn.ReLU, relu],
      [add, add],
      [MatchAllNode, MatchAllNode],
    ]);
    const parts = mapPattern(pattern, (element) => modules.get(element)) as readonly unknown[];
    const fused = config.complexFuserMethod?.(false, ...parts) as Module;
    const withRelu = Array.isArray(pattern) && pattern[0] === nn.ReLU;
    const withBn = patternToHumanReadable(pattern).includes("BatchNorm2d");
    expect(fused.constructor).toBe(config.fusedModule);
    expect(fused.getName()).toBe(withRelu ? "ConvAddReLU2d" : "ConvAdd2d");
    const [x, addend] = [randn([1, 2, 6, 6]), randn([1, 3, 4, 4])];
    const sum = add(withBn ? bn.forward(conv.forward(x)) : conv.forward(x), addend);
    const expected = [...(withRelu ? relu.forward(sum) : sum).elements()];
    const got = call(fused, x, addend);
    expect(got.length).toBe(48);
    got.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
  });

  it("refuses to train a batch norm in it", () => {
    const fuse = () => config.complexFuserMethod?.(true, ...(mapPattern(pattern, () => new nn.Conv2d(1, 1, 1)) as []));
    if (patternToHumanReadable(pattern).includes("BatchNorm2d")) expect(fuse).toThrow("Cannot fuse train modules");
    else expect(fuse()?.constructor).toBe(config.fusedModule);
  });
});

describe("Linear, BatchNorm1d and LeakyReLU", () => {
  const config = configOf([nn.LeakyReLU, [nn.BatchNorm1d, nn.Linear]]);
  const linear = new nn.Linear(3, 2);
  const bn = new nn.BatchNorm1d(2);
  const leaky = new nn.LeakyReLU(0.1);

  it("become a LinearLeakyReLU with the normalization folded in", () => {
    bn.forward(randn([8, 2]));
    for (const module of [linear, bn, leaky]) module.eval();
    const fused = config.complexFuserMethod?.(false, leaky, [bn, linear]) as Module;
    expect(fused.getName()).toBe("LinearLeakyReLU");
    const x = randn([5, 3]);
    const expected = [...leaky.forward(bn.forward(linear.forward(x))).elements()];
    call(fused, x).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
  });

  it("are not fused for training, or in different modes", () => {
    expect(() => config.complexFuserMethod?.(true, leaky, [bn, linear])).toThrow("Cannot fuse train modules");
    expect(() => config.complexFuserMethod?.(false, leaky, [new nn.BatchNorm1d(2), linear])).toThrow(
      "Linear, BN and LeakyReLU all must be in the same mode",
    );
  });
});
