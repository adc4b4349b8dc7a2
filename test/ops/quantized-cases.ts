/** The golden cases of `torch.ops.quantized`: reading them, and how each operator is called with their inputs and keywords. */
import { existsSync, readdirSync } from "node:fs";
import { dtypeFromName, quint8 } from "../../src/core/dtype.ts";
import type { DTypeName } from "../../src/core/dtype.ts";
import type { Engine } from "../../src/core/engine.ts";
import { chooseQparamsOptimized, ops } from "../../src/index.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import type { ConvTransposeOptions } from "../../src/ops/conv.ts";
import type { FewBitsOptions } from "../../src/ops/quantized/embedding.ts";
import { cat } from "../../src/ops/rearrange.ts";
import {
  _makePerChannelQuantizedTensor,
  _makePerTensorQuantizedTensor,
  dequantize,
  fromIntegers,
  qScale,
  qZeroPoint,
  quantizePerTensorDynamic,
  quantizerOf,
} from "../../src/ops/quantize.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { camelCaseKeys, goldenFolder } from "../golden.ts";
import { functionalCalls } from "./quantized-functional-cases.ts";

const q = ops.quantized;

/** dtype and qparams of a stored tensor; the integers, and qparams per channel, are in the file. */
interface Stored {
  readonly dtype: DTypeName;
  readonly scale?: number;
  readonly zero_point?: number;
  readonly axis?: number;
}

interface CaseRecord {
  readonly name: string;
  readonly op: string;
  readonly engine: Engine;
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly (Stored & { readonly name: string })[];
  readonly output: Stored;
  readonly tolerance?: number;
}

export interface QuantizedCase {
  readonly name: string;
  readonly op: string;
  readonly engine: Engine;
  readonly expected: Tensor;
  /** Of float results that are not PyTorch's own quantized ones, relative to max(1, |expected|); 0 asks for equality. */
  readonly tolerance: number;
  /** Calls the operator under the active engine and kernels. */
  readonly run: () => Tensor;
}

export interface QuantizedFamily {
  readonly name: string;
  readonly cases: readonly QuantizedCase[];
}

/** Files of this format only: other golden data may lie beside them. */
export function quantizedFamilies(): QuantizedFamily[] {
  const folder = `${goldenFolder}/quantized`;
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
  return files.sort().flatMap((file) => {
    const { tensors, metadata } = loadSafetensors(`${folder}/${file}`);
    if (metadata.get("format") !== "quantized-operators") return [];
    const records = JSON.parse(metadata.get("cases") ?? "[]") as CaseRecord[];
    return [{ name: file.replace(".safetensors", ""), cases: records.map((record) => readCase(record, tensors)) }];
  });
}

function readCase(record: CaseRecord, tensors: ReadonlyMap<string, Tensor>): QuantizedCase {
  const { name, op, engine } = record;
  const call = calls[op] ?? (functionalCalls[op] as unknown as Call | undefined);
  if (!call) throw new Error(`golden case ${name}: nothing says how to call ${op}`);
  const inputs = Object.fromEntries(
    record.inputs.map((input) => [input.name, restore(tensors, `${name}/in/${input.name}`, input)]),
  );
  const kwargs = camelCaseKeys(record.kwargs) as unknown as Kwargs;
  const expected = restore(tensors, `${name}/out`, record.output);
  return { name, op, engine, expected, tolerance: record.tolerance ?? 0, run: () => call(inputs, kwargs) };
}

/** A stored tensor with its qparams. */
function restore(tensors: ReadonlyMap<string, Tensor>, key: string, stored: Stored): Tensor {
  const find = (path: string): Tensor => {
    const found = tensors.get(path);
    if (!found) throw new Error(`golden data: no tensor ${path}`);
    return found;
  };
  const tensor = find(key);
  if (stored.scale !== undefined && stored.zero_point !== undefined) {
    return _makePerTensorQuantizedTensor(tensor, stored.scale, stored.zero_point);
  }
  if (stored.axis === undefined) return tensor;
  const [scales, zeroPoints] = [find(`${key}/scales`), find(`${key}/zero_points`)];
  const quantized = _makePerChannelQuantizedTensor(tensor, scales, zeroPoints, stored.axis);
  // quint8 and quint4x2 both store uint8.
  return fromIntegers(quantized.elements(), quantized.shape, dtypeFromName(stored.dtype), quantizerOf(quantized));
}

type Inputs = Readonly<Record<string, Tensor>>;

/** Every keyword that a case may have; those of convolutions are passed on as they are. */
interface Kwargs extends ConvTransposeOptions, FewBitsOptions {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly negativeSlope: number;
  readonly reduceRange?: boolean;
  readonly dim: number;
  readonly c: number;
  readonly includeLastOffset?: boolean;
  readonly numel: number;
  readonly nBins: number;
  readonly ratio: number;
  readonly bitWidth: 2 | 4;
  readonly eps: number;
  readonly normalizedShape: readonly number[];
  readonly numGroups: number;
}

type Call = (inputs: Inputs, kwargs: Kwargs) => Tensor;

const linearWeight = ({ weight, bias }: Inputs) => q.linearPrepack(weight, bias ?? null);
const dynamicLinear =
  (op: typeof q.linearDynamic): Call =>
  (inputs, { reduceRange }) =>
    op(inputs.x, linearWeight(inputs), reduceRange);

const convolution =
  (op: typeof q.conv1d, prepack: typeof q.conv1dPrepack | typeof q.convTranspose1dPrepack): Call =>
  ({ x, weight, bias }, { scale, zeroPoint, ...options }) =>
    op(x, prepack(weight, bias ?? null, options), scale, zeroPoint);
const convolutionAdd =
  (op: typeof q.conv2dAdd): Call =>
  ({ x, addend, weight, bias }, { scale, zeroPoint, ...options }) =>
    op(x, addend, q.conv2dPrepack(weight, bias, options), scale, zeroPoint);
const dynamicConvolution =
  (op: typeof q.conv1dDynamic, prepack: typeof q.conv1dPrepack | typeof q.convTranspose1dPrepack): Call =>
  ({ x, weight, bias }, { reduceRange, ...options }) =>
    op(x, prepack(weight, bias ?? null, options), reduceRange);

/** What PyTorch's dynamic convolutions do: the result has the qparams of the input. */
const onInputGrid =
  (op: typeof q.conv1d, prepack: typeof q.conv1dPrepack | typeof q.convTranspose1dPrepack): Call =>
  ({ x, weight, bias }, options) => {
    const rounded = quantizePerTensorDynamic(x, quint8, false);
    return dequantize(op(rounded, prepack(weight, bias, options), qScale(rounded), qZeroPoint(rounded)));
  };

const binary =
  (op: typeof q.add): Call =>
  ({ a, b }, { scale, zeroPoint }) =>
    op(a, b, scale, zeroPoint);
const withNumber =
  (op: typeof q.addScalar): Call =>
  ({ x }, { c }) =>
    op(x, c);
const concatenation =
  (op: typeof q.cat): Call =>
  ({ a, b, c }, { dim, scale, zeroPoint }) =>
    op([a, b, c], dim, scale, zeroPoint);

const batchNormalization =
  (op: typeof q.batchNorm): Call =>
  ({ x, weight, bias, mean, variance }, { eps, scale, zeroPoint }) =>
    op(x, weight, bias, mean, variance, eps, scale, zeroPoint);

const lookUp =
  (op: typeof q.embeddingByte): Call =>
  ({ weight, indices }) =>
    op(q.embeddingBagPrepack(weight), indices);
const bag =
  (op: typeof q.embeddingBagByte): Call =>
  ({ weight, indices, offsets, per_sample_weights, compressed_indices_mapping }, { includeLastOffset }) =>
    op(q.embeddingBagPrepack(weight), indices, offsets ?? null, {
      includeLastOffset,
      perSampleWeights: per_sample_weights,
      compressedIndicesMapping: compressed_indices_mapping,
    });
const rowwise =
  (op: typeof q.embeddingBagByteRowwiseOffsets): Call =>
  ({ packed, indices, offsets, per_sample_weights }) =>
    op(packed, indices, offsets, { perSampleWeights: per_sample_weights });

const calls: Readonly<Record<string, Call | undefined>> = {
  linear: (inputs, { scale, zeroPoint }) => q.linear(inputs.x, linearWeight(inputs), scale, zeroPoint),
  linearRelu: (inputs, { scale, zeroPoint }) => q.linearRelu(inputs.x, linearWeight(inputs), scale, zeroPoint),
  linearLeakyRelu: (inputs, { scale, zeroPoint, negativeSlope }) =>
    q.linearLeakyRelu(inputs.x, linearWeight(inputs), scale, zeroPoint, negativeSlope),
  linearTanh: (inputs, { scale, zeroPoint }) => q.linearTanh(inputs.x, linearWeight(inputs), scale, zeroPoint),
  linearUnpack: (inputs) => q.linearUnpack(linearWeight(inputs))[0],
  linearDynamic: dynamicLinear(q.linearDynamic),
  linearReluDynamic: dynamicLinear(q.linearReluDynamic),
  conv1d: convolution(q.conv1d, q.conv1dPrepack),
  conv2d: convolution(q.conv2d, q.conv2dPrepack),
  conv3d: convolution(q.conv3d, q.conv3dPrepack),
  conv1dRelu: convolution(q.conv1dRelu, q.conv1dPrepack),
  conv2dRelu: convolution(q.conv2dRelu, q.conv2dPrepack),
  conv3dRelu: convolution(q.conv3dRelu, q.conv3dPrepack),
  conv2dAdd: convolutionAdd(q.conv2dAdd),
  conv2dAddRelu: convolutionAdd(q.conv2dAddRelu),
  conv2dUnpack: ({ weight }) => q.conv2dUnpack(q.conv2dPrepack(weight))[0],
  convTranspose1d: convolution(q.convTranspose1d, q.convTranspose1dPrepack),
  convTranspose2d: convolution(q.convTranspose2d, q.convTranspose2dPrepack),
  convTranspose3d: convolution(q.convTranspose3d, q.convTranspose3dPrepack),
  conv1dDynamic: dynamicConvolution(q.conv1dDynamic, q.conv1dPrepack),
  conv2dDynamic: dynamicConvolution(q.conv2dDynamic, q.conv2dPrepack),
  conv3dDynamic: dynamicConvolution(q.conv3dDynamic, q.conv3dPrepack),
  convTranspose1dDynamic: dynamicConvolution(q.convTranspose1dDynamic, q.convTranspose1dPrepack),
  convTranspose2dDynamic: dynamicConvolution(q.convTranspose2dDynamic, q.convTranspose2dPrepack),
  convTranspose3dDynamic: dynamicConvolution(q.convTranspose3dDynamic, q.convTranspose3dPrepack),
  conv1dOnInputGrid: onInputGrid(q.conv1d, q.conv1dPrepack),
  conv2dOnInputGrid: onInputGrid(q.conv2d, q.conv2dPrepack),
  conv3dOnInputGrid: onInputGrid(q.conv3d, q.conv3dPrepack),
  convTranspose1dOnInputGrid: onInputGrid(q.convTranspose1d, q.convTranspose1dPrepack),
  convTranspose2dOnInputGrid: onInputGrid(q.convTranspose2d, q.convTranspose2dPrepack),
  convTranspose3dOnInputGrid: onInputGrid(q.convTranspose3d, q.convTranspose3dPrepack),
  add: binary(q.add),
  addRelu: binary(q.addRelu),
  mul: binary(q.mul),
  mulRelu: binary(q.mulRelu),
  matmul: ({ a, b }, { scale, zeroPoint }) => q.matmul(a, b, scale, zeroPoint),
  addScalar: withNumber(q.addScalar),
  addScalarRelu: withNumber(q.addScalarRelu),
  mulScalar: withNumber(q.mulScalar),
  mulScalarRelu: withNumber(q.mulScalarRelu),
  cat: concatenation(q.cat),
  catRelu: concatenation(q.catRelu),
  batchNorm: batchNormalization(q.batchNorm),
  batchNorm1d: batchNormalization(q.batchNorm1d),
  batchNorm2d: batchNormalization(q.batchNorm2d),
  batchNorm3d: batchNormalization(q.batchNorm3d),
  batchNormRelu: batchNormalization(q.batchNormRelu),
  batchNorm1dRelu: batchNormalization(q.batchNorm1dRelu),
  batchNorm2dRelu: batchNormalization(q.batchNorm2dRelu),
  batchNorm3dRelu: batchNormalization(q.batchNorm3dRelu),
  layerNorm: ({ x, weight, bias }, { normalizedShape, eps, scale, zeroPoint }) =>
    q.layerNorm(x, normalizedShape, weight ?? null, bias ?? null, eps, scale, zeroPoint),
  groupNorm: ({ x, weight, bias }, { numGroups, eps, scale, zeroPoint }) =>
    q.groupNorm(x, numGroups, weight ?? null, bias ?? null, eps, scale, zeroPoint),
  instanceNorm: ({ x, weight, bias }, { eps, scale, zeroPoint }) =>
    q.instanceNorm(x, weight ?? null, bias ?? null, eps, scale, zeroPoint),
  embeddingByte: lookUp(q.embeddingByte),
  embedding4bit: lookUp(q.embedding4bit),
  embeddingBagByte: bag(q.embeddingBagByte),
  embeddingBag4bit: bag(q.embeddingBag4bit),
  embeddingBagBytePrepack: ({ weight }) => q.embeddingBagBytePrepack(weight),
  embeddingBag4bitPrepack: ({ weight }, options) => q.embeddingBag4bitPrepack(weight, options),
  embeddingBag2bitPrepack: ({ weight }, options) => q.embeddingBag2bitPrepack(weight, options),
  embeddingBagByteUnpack: ({ packed }) => q.embeddingBagByteUnpack(packed),
  embeddingBag4bitUnpack: ({ packed }) => q.embeddingBag4bitUnpack(packed),
  embeddingBag2bitUnpack: ({ packed }) => q.embeddingBag2bitUnpack(packed),
  embeddingBagByteRowwiseOffsets: rowwise(q.embeddingBagByteRowwiseOffsets),
  embeddingBag4bitRowwiseOffsets: rowwise(q.embeddingBag4bitRowwiseOffsets),
  embeddingBag2bitRowwiseOffsets: rowwise(q.embeddingBag2bitRowwiseOffsets),
  chooseQparamsOptimized: ({ x }, { numel, nBins, ratio, bitWidth }) =>
    cat(chooseQparamsOptimized(x, numel, nBins, ratio, bitWidth)),
};
