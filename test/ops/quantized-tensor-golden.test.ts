/**
 * Activation functions, pools and reductions of quantized tensors against PyTorch's integers, on the engines that each case
 * was recorded with. Prints how many integers were compared and how many differed.
 */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { withEngine } from "../../src/core/engine.ts";
import * as torch from "../../src/index.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import * as F from "../../src/nn/functional.ts";
import * as quantized from "../../src/ops/quantized/activation.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { goldenFolder } from "../golden.ts";

interface Case {
  readonly name: string;
  /** A name of torch or nn.functional, or `quantized.` and one of torch.ops.quantized, as Octet spells it. */
  readonly op: string;
  /** What follows the tensor. */
  readonly args: readonly unknown[];
  readonly engines: readonly Engine[];
  readonly scale: number;
  readonly zeroPoint: number;
  readonly outScale: number;
  readonly outZeroPoint: number;
}

/**
 * At most one step, in at most this share of an operator's integers: standard deviations of float32 values, whose sums are not
 * made in PyTorch's order. In the data kept here none differs.
 */
const LOOSE: Readonly<Record<string, number>> = { std: 0.002 };

const { tensors, metadata } = loadSafetensors(`${goldenFolder}/quantized/tensor.safetensors`);
const cases = JSON.parse(metadata.get("cases") ?? "[]") as Case[];

type AnyOperator = (x: Tensor, ...args: readonly unknown[]) => Tensor;

function operatorOf(op: string): AnyOperator {
  const [namespaces, name] = op.startsWith("quantized.") ? [[quantized], op.slice(10)] : [[F, torch], op];
  const found = namespaces.map((space) => (space as unknown as Record<string, AnyOperator | undefined>)[name]);
  const operator = found.find((candidate) => candidate !== undefined);
  if (!operator) throw new Error(`no operator ${op}`);
  return operator;
}

interface QuantizedVector {
  readonly ints: readonly number[];
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A quantized vector among the arguments is written as its integers and qparams. */
function revived(arg: unknown, like: Tensor): unknown {
  if (typeof arg !== "object" || arg === null || !("ints" in arg)) return arg;
  const { ints, scale, zeroPoint } = arg as QuantizedVector;
  return torch._makePerTensorQuantizedTensor(torch.tensor(ints, { dtype: like.dtype }), scale, zeroPoint);
}

function run(case_: Case): { compared: number; differing: number; largest: number } {
  const ints = tensors.get(`${case_.name}/in`) as Tensor;
  const expected = tensors.get(`${case_.name}/out`) as Tensor;
  const x = torch._makePerTensorQuantizedTensor(ints, case_.scale, case_.zeroPoint);
  const y = operatorOf(case_.op)(x, ...case_.args.map((arg) => revived(arg, ints)));
  expect([y.qScale(), y.qZeroPoint(), y.dtype, y.shape]).toEqual([
    case_.outScale,
    case_.outZeroPoint,
    x.dtype,
    expected.shape,
  ]);
  expect(Array.from(x.intRepr().elements()), "the input is left alone").toEqual(Array.from(ints.elements()));
  const [actual, wanted] = [y.intRepr().elements(), expected.elements()];
  const steps = Array.from(wanted, (q, i) => Math.abs(q - actual[i]));
  return { compared: steps.length, differing: steps.filter(Boolean).length, largest: Math.max(...steps) };
}

describe.each(availableKernels())("on the %s kernels", (kernels) => {
  const totals = { compared: 0, differing: 0 };

  it.each([...new Set(cases.map(({ op }) => op))])("%s", (op) => {
    let [compared, differing] = [0, 0];
    for (const case_ of cases.filter((candidate) => candidate.op === op)) {
      for (const engine of case_.engines) {
        const result = withKernels(kernels, () => withEngine(engine, () => run(case_)));
        const what = `${JSON.stringify(case_)} on ${engine}: ${result.differing} of ${result.compared} integers differ`;
        expect(result.largest, what).toBeLessThanOrEqual(op in LOOSE ? 1 : 0);
        compared += result.compared;
        differing += result.differing;
      }
    }
    totals.compared += compared;
    totals.differing += differing;
    expect(compared).toBeGreaterThan(0);
    expect(differing / compared).toBeLessThanOrEqual(LOOSE[op] ?? 0);
  });

  it("compared integers in plenty", () => {
    console.log(
      `${kernels}: compared ${totals.compared} integers of ${cases.length} cases; ${totals.differing} differ by 1`,
    );
    expect(totals.compared).toBeGreaterThan(100_000);
  });
});
