/** Module mappings, fusions and propagation lists against PyTorch 2.6's (test/golden/reference/defaults.json). */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { nn, quantization as q } from "../../src/index.ts";
import { NonDynamicallyQuantizableLinear } from "../../src/nn/modules/multihead-attention.ts";
import { defaultModuleToActPostProcess } from "../../src/quantization/quantization-mappings.ts";
import { recipes } from "../../src/quantization/recipes/index.ts";
import type { Module } from "../../src/nn/module.ts";
import type { ModuleClass } from "../../src/quantization/recipes/recipe.ts";

type Names = Readonly<Record<string, string>>;

const reference = JSON.parse(readFileSync(new URL("../golden/reference/defaults.json", import.meta.url), "utf8")) as {
  readonly module_mappings: Readonly<Record<string, Names>> & {
    readonly qconfig_propagation_list: readonly string[];
    readonly DEFAULT_MODULE_TO_ACT_POST_PROCESS: Readonly<Record<string, unknown>>;
  };
  readonly fuser_methods: Names;
};
const expectedMappings = reference.module_mappings;

/** Which of Octet's namespaces show what is in PyTorch's package; the longest prefix counts. */
const namespaces: readonly (readonly [package_: string, namespace: unknown])[] = [
  ["torch.ao.nn.intrinsic.quantized.dynamic.", nn.intrinsic.quantized.dynamic],
  ["torch.ao.nn.intrinsic.quantized.", nn.intrinsic.quantized],
  ["torch.ao.nn.intrinsic.qat.", nn.intrinsic.qat],
  ["torch.ao.nn.intrinsic.", nn.intrinsic],
  ["torch.ao.nn.qat.dynamic.", nn.qat.dynamic],
  ["torch.ao.nn.qat.", nn.qat],
  ["torch.ao.nn.quantized.dynamic.", nn.quantized.dynamic],
  ["torch.ao.nn.quantized.reference.", nn.quantized.reference],
  ["torch.ao.nn.quantized.", nn.quantized],
  ["torch.ao.quantization.", q],
  ["torch.nn.", { ...nn, NonDynamicallyQuantizableLinear }],
];

function classNamed(path: string): ModuleClass {
  const [, namespace] = namespaces.find(([package_]) => path.startsWith(package_)) ?? [];
  const name = path.slice(path.lastIndexOf(".") + 1);
  const found = (namespace as Readonly<Record<string, ModuleClass>> | undefined)?.[name];
  if (!found) throw new Error(`nothing stands for ${path}`);
  return found;
}

let compared = 0;
afterAll(() => console.log(`mappings: ${compared} entries compared`));

function compareMapping(actual: ReadonlyMap<ModuleClass, ModuleClass>, expected: Names): void {
  const wanted = Object.entries(expected).map(([key, value]) => [classNamed(key), classNamed(value)] as const);
  for (const [key, value] of wanted) expect(actual.get(key), key.name).toBe(value);
  expect([...actual.keys()].map((key) => key.name).sort()).toEqual(wanted.map(([key]) => key.name).sort());
  compared += wanted.length;
}

describe("module mappings", () => {
  it("static", () => {
    compareMapping(q.getDefaultStaticQuantModuleMappings(), expectedMappings.DEFAULT_STATIC_QUANT_MODULE_MAPPINGS);
  });

  it("reference", () => {
    const expected = expectedMappings.DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS;
    compareMapping(q.getDefaultStaticQuantReferenceModuleMappings(), expected);
  });

  it("in training", () => {
    compareMapping(q.getDefaultQatModuleMappings(), expectedMappings.DEFAULT_QAT_MODULE_MAPPINGS);
  });

  it("dynamic", () => {
    compareMapping(q.getDefaultDynamicQuantModuleMappings(), expectedMappings.DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS);
  });

  it("whose outputs are observed", () => {
    const expected = new Set(expectedMappings.qconfig_propagation_list.map(classNamed));
    const names = (classes: Iterable<ModuleClass>) => [...classes].map(({ name }) => name).sort();
    const actual = q.getDefaultQconfigPropagationList();
    expect(names(actual)).toEqual(names(expected));
    for (const type of expected) expect(actual.has(type), type.name).toBe(true);
    compared += expected.size;
  });

  it("whose output range is known", () => {
    const expected = Object.keys(expectedMappings.DEFAULT_MODULE_TO_ACT_POST_PROCESS).map(classNamed);
    expect(new Set(defaultModuleToActPostProcess.keys())).toEqual(new Set(expected));
    compared += expected.length;
  });
});

it("fusions", () => {
  const patternOf = (classes: readonly ModuleClass[]) => classes.map(({ name }) => name).join(" + ");
  const known = recipes.flatMap(({ fusions = [] }) => fusions.map(({ pattern }) => patternOf(pattern)));
  expect(known.sort()).toEqual(Object.keys(reference.fuser_methods).sort());
  for (const [pattern, method] of Object.entries(reference.fuser_methods)) {
    const parts = pattern.split(" + ").map((name) => classNamed(`torch.nn.${name}`));
    const wrapper = /^sequential_wrapper2\((\w+)\)$/.exec(method)?.[1];
    if (wrapper)
      expect(
        q
          .getFuserMethod(parts)(false, ...parts.map(instanceOf))
          .getName(),
      ).toBe(wrapper);
    else expect(method).toMatch(/^fuse_(conv|linear|convtranspose)_bn(_relu)?$/);
    compared++;
  }
});

function instanceOf(type: ModuleClass): Module {
  return new (type as unknown as new (...sizes: number[]) => Module)(1, 1, 1);
}
