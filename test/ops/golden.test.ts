/** Every operator and module against PyTorch: results, gradients and changed buffers, on every kernel set. */
import { afterAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { GoldenCase, GoldenFamily, Run } from "../golden.ts";
import { goldenFamilies } from "../golden.ts";
import { mismatch, prepare } from "../golden-run.ts";
import { opCases } from "../op-cases/index.ts";

const families = goldenFamilies();
const count = { runs: 0, tensors: 0, values: 0 };

afterAll(() => {
  const cases = families.reduce((n, family) => n + family.cases.length, 0);
  console.log(
    `golden: ${count.runs} runs of ${cases} cases in ${families.length} families; ` +
      `compared ${count.values} values of ${count.tensors} tensors`,
  );
});

describe("the table of operators", () => {
  const cases = families.flatMap((family) => family.cases);

  it("has an entry for every golden case of a function", () => {
    const missing = cases.filter(({ kind, op }) => kind === "function" && !opCases.get(op)?.call);
    expect(missing.map(({ op, name }) => `${op} (${name})`)).toEqual([]);
  });

  it("has a golden case for every entry", () => {
    const covered = new Set(cases.map(({ op }) => op));
    expect([...opCases.keys()].filter((op) => !covered.has(op))).toEqual([]);
  });

  it("excuses from finite differences only cases that exist", () => {
    const names = new Set(cases.map(({ op, name }) => `${op}: ${name}`));
    const excused = [...opCases].flatMap(([op, entry]) =>
      Object.keys(entry.noDifferences ?? {}).map((name) => `${op}: ${name}`),
    );
    expect(excused.filter((name) => !names.has(name))).toEqual([]);
  });
});

for (const family of families) {
  for (const kernels of availableKernels()) {
    describe(`${family.name} on the ${kernels} kernels`, () => {
      for (const case_ of family.cases) {
        it(case_.name, () => {
          const wrong = withKernels(kernels, () => case_.runs.flatMap((run) => compareRun(family, case_, run)));
          expect(wrong.join("\n")).toBe("");
        });
      }
    });
  }
}

/** What Octet gets wrong in one run, one sentence each. */
function compareRun(family: GoldenFamily, case_: GoldenCase, run: Run): string[] {
  const { inputs, module, call } = prepare(family, case_, run);
  const before = bufferValues(module);
  const outputs = call(inputs);
  count.runs++;
  const check = checker(run);
  check.all("out", outputsByIndex(outputs), family.under(case_, `${run}/out`));
  const gradOut = family.under(case_, `${run}/grad_out`);
  outputs.forEach((output, i) => {
    if (output.requiresGrad !== gradOut.has(String(i))) check.fail(`out/${i} has requiresGrad ${output.requiresGrad}`);
  });
  if (check.wrong.length) return check.wrong;

  const seeds = [...gradOut].map(([i, seed]): [Tensor, Tensor] => [outputs[Number(i)], seed]);
  if (seeds.length) backward(seeds.map(([output]) => output), seeds.map(([, seed]) => seed)); // prettier-ignore
  check.all("grad", gradients(Object.entries(inputs)), family.under(case_, `${run}/grad`));
  if (!module) return check.wrong;
  check.all("grad_state", gradients(module.namedParameters()), family.under(case_, `${run}/grad_state`));
  check.all("after", changedBuffers(module, before), family.under(case_, `${run}/after`));
  return check.wrong;
}

function checker(run: Run) {
  const wrong: string[] = [];
  const fail = (what: string) => void wrong.push(`${run}: ${what}`);
  /** The same names on both sides, and the same values under each. */
  const all = (what: string, actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>) => {
    for (const key of actual.keys()) if (!expected.has(key)) fail(`${what}/${key} should not be there`);
    for (const [key, value] of expected) {
      const given = actual.get(key);
      const problem = given ? mismatch(given, value) : "is missing";
      if (problem) fail(`${what}/${key} ${problem}`);
      count.tensors++;
      count.values += value.numel();
    }
  };
  return { wrong, fail, all };
}

function outputsByIndex(outputs: readonly Tensor[]): Map<string, Tensor> {
  return new Map(outputs.map((output, i) => [String(i), output]));
}

/** The gradients that are there. */
function gradients(tensors: Iterable<[string, Tensor]>): Map<string, Tensor> {
  return new Map([...tensors].flatMap(([name, { grad }]) => (grad ? [[name, grad] as const] : [])));
}

type Values = ReturnType<Tensor["toNumbers"]>;

function bufferValues(module: Module | null): Map<string, Values> {
  return new Map([...(module?.namedBuffers() ?? [])].map(([name, buffer]) => [name, buffer.toNumbers()]));
}

/** The module's buffers whose values are not those of `before`. */
function changedBuffers(module: Module, before: ReadonlyMap<string, Values>): Map<string, Tensor> {
  const changed = [...module.namedBuffers()].filter(([name, buffer]) => {
    const old = before.get(name);
    return !old || buffer.toNumbers().some((value, i) => value !== old[i] && !(isNaN(value) && isNaN(old[i])));
  });
  return new Map(changed);
}
