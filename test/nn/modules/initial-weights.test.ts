/** Layers made after `manualSeed`: PyTorch's weights, in PyTorch's order, under PyTorch's keys, printed as PyTorch prints. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { manualSeed } from "../../../src/core/rng.ts";
import * as nn from "../../../src/nn/index.ts";
import type { Module } from "../../../src/nn/module.ts";
import { camelCaseKeys } from "../../golden.ts";

interface Layer {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly repr: string;
  readonly state: Readonly<Record<string, readonly number[]>>;
}

const path = new URL("../../golden/initial-weights.json", import.meta.url);
const golden = JSON.parse(readFileSync(path, "utf8")) as { seed: number; layers: readonly Layer[] };

function make({ name, args, kwargs }: Layer): Module {
  const layer = (nn as unknown as Record<string, new (...args: unknown[]) => Module>)[name];
  return new layer(...args, camelCaseKeys(kwargs));
}

describe.each(golden.layers)("$name($args) $kwargs", (layer) => {
  it("starts with PyTorch's weights", () => {
    manualSeed(golden.seed);
    const state = make(layer).stateDict();
    expect([...state.keys()]).toEqual(Object.keys(layer.state));
    for (const [key, tensor] of state) {
      const values = Array.from(tensor.toNumbers());
      const expected = layer.state[key];
      expect(values.length, key).toBe(expected.length);
      values.forEach((value, i) => expect(value, `${key}[${i}]`).toBeCloseTo(expected[i], 6));
    }
  });

  it("prints as in PyTorch", () => {
    expect(make(layer).toString()).toBe(layer.repr);
  });
});
