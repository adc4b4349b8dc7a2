/**
 * One-operator models, run by Octet and by ONNX Runtime (onnxruntime-web, in WebAssembly): both must give the same. Each case is
 * tried with sizes that the file tells and with sizes that it only names.
 */
import * as ort from "onnxruntime-web";
import { expect, it } from "vitest";
import type { DType } from "../../src/core/dtype.ts";
import { bool, float32, float64, int32, int64, int8, uint8 } from "../../src/core/dtype.ts";
import type { GraphModule } from "../../src/fx/graph-module.ts";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import { importModel } from "../../src/onnx/import.ts";
import { makeAttribute, makeGraph, makeModel, makeNode, makeValueInfo } from "../../src/onnx/make.ts";
import type { OnnxAttribute, OnnxDataType, OnnxModel } from "../../src/onnx/model.ts";
import { OpaqueNode } from "../../src/onnx/opaque.ts";
import { fromTensor } from "../../src/onnx/tensor.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import "../../src/index.ts";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** ONNX's names of dtypes. */
const typeNames: ReadonlyMap<DType, OnnxDataType> = new Map([
  [float32, "float"],
  [float64, "double"],
  [int64, "int64"],
  [int32, "int32"],
  [int8, "int8"],
  [uint8, "uint8"],
  [bool, "bool"],
]);

/** A whole number is an int attribute, `{ float: 1 }` a float one. */
export type AttributeValue =
  number | { readonly float: number } | string | readonly number[] | { floats: number[] } | Tensor;

export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface OpCase {
  readonly inputs: readonly (Tensor | null)[];
  readonly attributes?: Attributes;
  /** Positions of inputs that are constants of the model. */
  readonly constants?: readonly number[];
  /** Default 17. */
  readonly opset?: number;
  /** How many outputs are asked for; default 1. */
  readonly outputs?: number;
  /** Largest difference allowed, default 1e-5. */
  readonly tolerance?: number;
  /** What the result must be, where ONNX Runtime has no such operator. */
  readonly expected?: readonly Tensor[];
  /** Classes of modules that the operator must become, in order. */
  readonly modules?: readonly string[];
}

/** Numbers between −2 and 2, always the same. */
export function reals(...shape: number[]): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from(
    { length: count },
    (_, i) => (((i * 7919 + shape.length * 104729) % 4001) - 2000) / 1000,
  );
  return Tensor.fromArray(data, shape, float32);
}

/** As {@link reals}, but from 0.1 to 2.1. */
export function positives(...shape: number[]): Tensor {
  const data = (reals(...shape).elements() as Float32Array).map((x) => Math.abs(x) + 0.1);
  return Tensor.fromArray(data, shape, float32);
}

export function whole(values: readonly number[], shape: readonly number[] = [values.length], dtype = int64): Tensor {
  const data = dtype.allocate(values.length);
  values.forEach((value, i) => (data[i] = value));
  return Tensor.fromArray(data, shape, dtype);
}

export function truths(...values: readonly number[]): Tensor {
  return whole(values, [values.length], bool);
}

export function floats(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return Tensor.fromArray(Float32Array.from(values), shape, float32);
}

function attribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === "number") return makeAttribute(name, "int", value);
  if (typeof value === "string") return makeAttribute(name, "string", value);
  if (value instanceof Tensor) return makeAttribute(name, "tensor", fromTensor("", value));
  if ("float" in value) return makeAttribute(name, "float", value.float);
  if ("floats" in value) return makeAttribute(name, "floats", value.floats);
  return makeAttribute(name, "ints", value as readonly number[]);
}

function typeName(dtype: DType): OnnxDataType {
  const name = typeNames.get(dtype);
  if (!name) throw new Error(`no ONNX type for ${dtype.name}`);
  return name;
}

/** A model of one node. `outputTypes` are needed by ONNX Runtime. */
function modelOf(op: string, test: OpCase, outputTypes: readonly OnnxDataType[], isSymbolic: boolean): OnnxModel {
  const names = test.inputs.map((input, i) => (input ? `x${i}` : ""));
  const outputs = outputTypes.map((_, i) => `y${i}`);
  const isConstant = (i: number): boolean => test.constants?.includes(i) ?? false;
  const attributes = Object.entries(test.attributes ?? {}).map(([name, value]) => attribute(name, value));
  return makeModel({
    opsetImports: new Map([["", test.opset ?? 17]]),
    irVersion: (test.opset ?? 17) > 20 ? 10 : 8,
    graph: makeGraph({
      nodes: [makeNode({ opType: op, name: "node", inputs: names, outputs, attributes })],
      initializers: test.inputs.flatMap((input, i) => (input && isConstant(i) ? [fromTensor(`x${i}`, input)] : [])),
      inputs: test.inputs.flatMap((input, i) => {
        if (!input || isConstant(i)) return [];
        const shape = isSymbolic ? input.shape.map((_, d) => `n${i}_${d}`) : [...input.shape];
        return [makeValueInfo(`x${i}`, typeName(input.dtype), shape)];
      }),
      outputs: outputs.map((name, i) => makeValueInfo(name, outputTypes[i], null)),
    }),
  });
}

/** Runs an imported model; results as a list. */
export function runImported(model: GraphModule, inputs: readonly Tensor[]): Tensor[] {
  const result = noGrad(() => model(...inputs)) as Tensor | Tensor[];
  return result instanceof Tensor ? [result] : result;
}

/** What ONNX Runtime gives for a model. */
export async function runOracle(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<ort.Tensor[]> {
  const session = await ort.InferenceSession.create(bytes);
  try {
    const given = Object.entries(feeds).map(([name, tensor]) => [name, ortTensor(tensor)] as const);
    const results = await session.run(Object.fromEntries(given));
    return session.outputNames.map((name) => results[name]);
  } finally {
    await session.release();
  }
}

function ortTensor(x: Tensor): ort.Tensor {
  const elements = x.elements();
  const type = x.dtype === float32 || x.dtype === float64 ? x.dtype.name : typeName(x.dtype);
  const data = x.dtype === int64 ? BigInt64Array.from(elements, BigInt) : elements.slice();
  return new ort.Tensor(type as "float32", data as Float32Array, [...x.shape]);
}

/** The largest difference between two lists of numbers, relative to those of `b` beyond 1; infinite where one is NaN and the other is not. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    if (Object.is(x, y) || x === y) continue;
    const difference = Math.abs(x - y) / Math.max(1, Math.abs(y));
    largest = Number.isNaN(difference) ? Infinity : Math.max(largest, difference);
  }
  return largest;
}

function compare(
  mine: Tensor,
  shape: readonly number[],
  values: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect([what, ...mine.shape]).toEqual([what, ...shape]);
  expect(largestDifference(mine.toNumbers(), values), what).toBeLessThanOrEqual(tolerance);
}

/** Tests of an operator: no part of it may become opaque. */
export function checkOp(op: string, ...cases: readonly OpCase[]): void {
  cases.forEach((test, i) => {
    it(`${op} ${i + 1}`, async () => {
      for (const isSymbolic of [false, true]) await checkCase(op, test, isSymbolic);
    });
  });
}

async function checkCase(op: string, test: OpCase, isSymbolic: boolean): Promise<void> {
  const { tolerance = 1e-5, outputs = 1, expected } = test;
  const unknown = new Array<OnnxDataType>(outputs).fill("undefined");
  const imported = importModel(modelOf(op, test, unknown, isSymbolic));
  imported.graph.lint();
  const modules = [...imported.graph.nodes].flatMap((node) =>
    node.op === "call_module" ? [imported.getSubmodule(node.target as string)] : [],
  );
  const opaque = modules.find((module) => module instanceof OpaqueNode);
  expect(opaque?.record.reason).toBeUndefined();
  if (test.modules && !isSymbolic) expect(modules.map((module) => module.getName())).toEqual(test.modules);
  const given = test.inputs.flatMap((input, i) =>
    input && !test.constants?.includes(i) ? [[`x${i}`, input] as const] : [],
  );
  const mine = runImported(
    imported,
    given.map(([, input]) => input),
  );
  expect(mine.length).toBe(outputs);
  if (expected) {
    expected.forEach((tensor, i) => compare(mine[i], tensor.shape, tensor.toNumbers(), tolerance, `output ${i}`));
    return;
  }
  const model = modelOf(
    op,
    test,
    mine.map(({ dtype }) => typeName(dtype)),
    isSymbolic,
  );
  const theirs = await runOracle(writeModel(model), Object.fromEntries(given));
  theirs.forEach((tensor, i) => {
    const values = Array.from(tensor.data as Float32Array, Number);
    compare(mine[i], tensor.dims, values, tolerance, `output ${i} of ${op}`);
  });
}
