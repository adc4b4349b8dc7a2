/** Every gradient against finite differences, in float64 on the reference kernels, over the golden cases. */
import { afterAll, describe, expect, it } from "vitest";
import { gradcheck } from "../../src/autograd/gradcheck.ts";
import { withKernels } from "../../src/kernels/registry.ts";
import type { GoldenCase, GoldenFamily } from "../golden.ts";
import { goldenFamilies } from "../golden.ts";
import { prepare } from "../golden-run.ts";
import { opCases } from "../op-cases/index.ts";

const count = { cases: 0, derivatives: 0, excused: 0 };

afterAll(() => {
  console.log(
    `finite differences: ${count.derivatives} derivatives of ${count.cases} cases; ` +
      `${count.excused} cases excused, for the reasons in test/op-cases`,
  );
});

for (const family of goldenFamilies()) {
  const cases = family.cases.filter((case_) => case_.runs.includes("f64") && isDifferentiable(family, case_));
  if (!cases.length) continue;
  describe(`${family.name} agrees with finite differences`, () => {
    for (const case_ of cases) {
      if (opCases.get(case_.op)?.noDifferences?.[case_.name]) count.excused++;
      else it(case_.name, () => expect(withKernels("reference", () => checkCase(family, case_))).toBe(true));
    }
  });
}

function isDifferentiable(family: GoldenFamily, case_: GoldenCase): boolean {
  return family.under(case_, "f64/grad_out").size > 0;
}

function checkCase(family: GoldenFamily, case_: GoldenCase): true {
  const { inputs, module, call } = prepare(family, case_, "f64");
  const parameters = [...(module?.parameters() ?? [])];
  const tensors = [...Object.values(inputs), ...parameters];
  // The tensors are changed where they lie, so that the call sees them without being given them.
  let outputs = 0;
  const run = () => {
    const results = call(inputs);
    outputs = results.reduce((n, result) => n + result.numel(), 0);
    return results;
  };
  gradcheck(run, tensors, { name: case_.name });
  count.cases++;
  count.derivatives += outputs * tensors.reduce((n, t) => n + (t.requiresGrad ? t.numel() : 0), 0);
  return true;
}
