/** Every gradient against finite differences, in float64 on the reference kernels, over the golden cases. */
import { afterAll, describe, expect, it } from "vitest";
import { gradcheck } from "../../src/autograd/gradcheck.ts";
import { withKernels } from "../../src/kernels/registry.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
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

/**
 * Differentiates Σ output · weight, over all outputs that have a gradient, with the weights that PyTorch was given as their
 * gradients: one number to differentiate instead of one per output element.
 */
function checkCase(family: GoldenFamily, case_: GoldenCase): true {
  const { inputs, module, call } = prepare(family, case_, "f64");
  const tensors = [...Object.values(inputs), ...(module?.parameters() ?? [])];
  const weights = [...family.under(case_, "f64/grad_out")];
  // The tensors are changed where they lie, so that the call sees them without being given them.
  const run = (): Tensor => {
    const outputs = call(inputs);
    return weights.map(([i, weight]) => sum(mul(outputs[Number(i)], weight))).reduce((a, b) => add(a, b));
  };
  gradcheck(run, tensors, { name: case_.name });
  count.cases++;
  count.derivatives += tensors.reduce((n, tensor) => n + (tensor.requiresGrad ? tensor.numel() : 0), 0);
  return true;
}
