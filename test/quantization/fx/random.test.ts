/**
 * Random networks through graph mode. What must hold of each of them:
 * - the prepared graph computes what the model computes: fusing and observing change nothing;
 * - every operator of the lowered graph gives what it gives in the reference form, within one step of its output's grid.
 *   Both forms are run operator by operator on the same inputs, because a step of difference may grow in what follows.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Tensor } from "../../../src/index.ts";
import { add, cat, fx, nn, noGrad, quantization as q, randn } from "../../../src/index.ts";
import { Tensor as TensorClass } from "../../../src/index.ts";
import { withWarnings } from "../../../src/core/warnings.ts";
import { quantizePerTensor } from "../../../src/ops/quantize.ts";
import type { Choice } from "./random-networks.ts";
import { randomNetwork } from "./random-networks.ts";
import { flatten } from "./support.ts";

const RUNS = Number(process.env.RANDOM_NETWORKS ?? 40);

const isTensor = (value: unknown): value is Tensor => value instanceof TensorClass;

/** Runs the reference form on the values of the lowered form, comparing each with what the reference gives there. */
class Comparison extends fx.Interpreter {
  /** The lowered graph's values by the names of the nodes in the reference form. */
  private readonly lowered = new Map<string, unknown>();
  integers = 0;

  constructor(reference: fx.GraphModule, int8: fx.GraphModule, inputs: readonly Tensor[]) {
    super(reference, { garbageCollectValues: false });
    const run = new fx.Interpreter(int8, { garbageCollectValues: false });
    run.run(...inputs);
    for (const [node, value] of run.env) this.lowered.set(String(node.meta.loweredFrom ?? node.name), value);
  }

  override runNode(node: fx.Node): unknown {
    const expected = super.runNode(node);
    if (!isTensor(expected)) return expected;
    if (node.target === quantizePerTensor) return this.quantized(node, expected);
    const actual = this.lowered.get(node.name);
    if (node.target === "dequantize" || !isTensor(actual) || actual.isQuantized || expected.isQuantized)
      return expected;
    expectClose(node.name, actual, expected, 1e-5);
    return actual;
  }

  /** An operator that was lowered has the quantize node's value; else the quantize node is still there. */
  private quantized(node: fx.Node, expected: Tensor): Tensor {
    const source = node.args[0] as fx.Node;
    const before = source.args[0];
    const names = [node, source, before].filter(fx.isNode).map(({ name }) => name);
    const actual = names.map((name) => this.lowered.get(name)).find((value) => isTensor(value) && value.isQuantized);
    if (!isTensor(actual)) {
      expect(source.op, `${source.name} has no counterpart in the lowered form`).toBe("get_attr"); // a weight, packed ahead
      return expected;
    }
    this.integers += expected.numel();
    expectWithinAStep(source.name, actual, expected);
    return actual;
  }
}

function expectClose(name: string, actual: Tensor, expected: Tensor, tolerance: number): void {
  expect(actual.shape, name).toEqual(expected.shape);
  const scale = Math.max(1, expected.abs().max().item());
  expect(actual.sub(expected).abs().max().item() / scale, name).toBeLessThanOrEqual(tolerance);
}

/**
 * One integer apart at most. An operator with a number has another grid in integers than in the reference form (the number
 * moves or scales its input's): there three roundings come together, of the number to a step of the input, of the result to
 * its grid, and of the reference's; each is off by half a step, and only the reference clips its range.
 */
function expectWithinAStep(name: string, actual: Tensor, expected: Tensor): void {
  expect(actual.shape, name).toEqual(expected.shape);
  const [scale, zeroPoint] = [expected.qScale(), expected.qZeroPoint()];
  const sameGrid = actual.qScale() === scale && actual.qZeroPoint() === zeroPoint;
  if (sameGrid) {
    const [ours, theirs] = [actual, expected].map((x) => x.intRepr().toNumbers());
    for (let i = 0; i < ours.length; i++) expect(Math.abs(ours[i] - theirs[i]), name).toBeLessThanOrEqual(1);
    return;
  }
  const step = Math.max(scale, actual.qScale());
  const [low, high] = [(0 - zeroPoint) * scale, (255 - zeroPoint) * scale];
  const within = actual.dequantize().clamp({ min: low, max: high });
  expect(within.sub(expected.dequantize()).abs().max().item(), name).toBeLessThanOrEqual(1.5 * step);
}

interface Case {
  readonly choices: readonly Choice[];
  readonly outputs: readonly number[];
  readonly floats: readonly number[];
  readonly floatFunctions: number;
  readonly engine: "qnnpack" | "x86";
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  choices: fc.array(fc.record({ op: fc.nat(10_000), input: fc.nat(100), other: fc.nat(100) }), {
    minLength: 2,
    maxLength: 14,
  }),
  outputs: fc.array(fc.nat(100), { maxLength: 2 }),
  floats: fc.array(fc.nat(20), { maxLength: 3 }),
  floatFunctions: fc.nat(7),
  engine: fc.constantFrom("qnnpack" as const, "x86" as const),
  seed: fc.nat(1_000_000),
});

/** The default mapping, with some layers and functions left in float. */
function mappingOf({ engine, floats, floatFunctions }: Case): q.QConfigMapping {
  const mapping = q.getDefaultQconfigMapping(engine);
  for (const i of floats) mapping.setModuleName(`layers.${i}`, null);
  [nn.functional.relu, add, cat].forEach((type, i) =>
    floatFunctions & (1 << i) ? mapping.setObjectType(type, null) : mapping,
  );
  return mapping;
}

const totals = { networks: 0, integers: 0, lowered: 0, operators: 0 };

function check(drawn: Case): void {
  const { net, inputs } = randomNetwork(drawn.choices, drawn.outputs, drawn.seed);
  const others = inputs.map((x) => randn([...x.shape]));
  const prepared = q.prepareFx(net, mappingOf(drawn), inputs);
  prepared.graph.lint();
  prepared(...others);
  const [x, y] = inputs;
  const [observed, float] = [prepared(x, y), net(x, y)].map(flatten);
  float.forEach((value, i) => expectClose(`prepared output ${i}`, observed[i], value, 1e-4));
  const reference = q.convertToReferenceFx(prepared);
  reference.graph.lint();
  const int8 = q.convertFx(prepared);
  int8.graph.lint();
  const comparison = new Comparison(reference, int8, inputs);
  const expected = flatten(comparison.run(...inputs));
  flatten(int8(...inputs)).forEach((value, i) => expectClose(`output ${i}`, value, expected[i], 1e-5));
  const explanations = q.explain(int8);
  totals.networks++;
  totals.integers += comparison.integers;
  totals.operators += explanations.length;
  totals.lowered += explanations.filter(
    ({ quantized, detail }) => quantized && !detail.endsWith("reference form"),
  ).length;
}

it("quantizes random networks", () => {
  const run = (drawn: Case) =>
    q.withEngine(drawn.engine, () =>
      noGrad(() =>
        withWarnings(
          () => {},
          () => check(drawn),
        ),
      ),
    );
  fc.assert(fc.property(cases, run), { numRuns: RUNS, seed: 20 });
  console.log(
    `${totals.networks} random networks: ${totals.lowered} of ${totals.operators} operators in integers, ` +
      `${totals.integers} integers within one step of the reference form`,
  );
  expect(totals.lowered).toBeGreaterThan(totals.operators / 3);
});
