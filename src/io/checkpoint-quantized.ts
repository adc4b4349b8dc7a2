/** What PyTorch checkpoints of quantized models name besides plain tensors: quantized tensors and packed weights. */
import type { DType } from "../core/dtype.ts";
import { qint32, qint8, quint2x4, quint4x2, quint8 } from "../core/dtype.ts";
import { FileFormatError, formatShape } from "../core/errors.ts";
import { MAX_ELEMENTS, contiguousStrides, sameShape } from "../core/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkedNumel } from "../core/element-types.ts";
import { isTuple } from "./pickle.ts";
import type { PickleValue } from "./pickle-values.ts";
import { PythonName, ScriptObject, describe } from "./pickle-values.ts";
import type { StoredQparams } from "./quantized-tensors.ts";
import { checkedQuantizer, storedLength, unpackIntegers } from "./quantized-tensors.ts";

function fail(message: string): never {
  throw new FileFormatError(`checkpoint: ${message}`);
}

/** The quantized dtypes of PyTorch's storage classes. */
export const quantizedStorages: ReadonlyMap<string, DType> = new Map([
  ["torch.QInt8Storage", qint8],
  ["torch.QUInt8Storage", quint8],
  ["torch.QInt32Storage", qint32],
  ["torch.QUInt4x2Storage", quint4x2],
  ["torch.QUInt2x4Storage", quint2x4],
]);

/** What a quantized tensor is made of, its geometry still unchecked. */
export interface QuantizedParts {
  readonly dtype: DType;
  /** Names the tensor in errors. */
  readonly label: string;
  readonly size: PickleValue;
  readonly stride: PickleValue;
  readonly offset: PickleValue;
  readonly qparams: PickleValue;
  /** A plain integer tensor over the storage, after checking that it lies within. */
  readonly view: (offset: PickleValue, size: PickleValue, stride: PickleValue) => Tensor;
  /** Runs an action once the storages hold their values. */
  readonly whenFilled: (action: () => void) => void;
  /** Counts elements that are copied. */
  readonly spend: (count: number) => void;
}

/** The tensor of a call of `_rebuild_qtensor`. */
export function quantizedTensor(parts: QuantizedParts): Tensor {
  const { dtype, label, size, stride, offset, whenFilled, spend } = parts;
  const packed = dtype.bits < 8;
  const shape = packed ? packedShape(label, parts) : null;
  const ints = shape
    ? parts.view(0, Object.freeze([storedLength(dtype, numel(shape))]), Object.freeze([1]))
    : parts.view(offset, size, stride);
  const readQparams = qparamsReader(label, parts.qparams);
  const { storage } = ints;
  const tensor = shape
    ? new Tensor({ storage, shape, dtype })
    : new Tensor({ storage, shape: ints.shape, strides: ints.strides, offset: ints.offset, dtype });
  whenFilled(() => {
    const qparams = readQparams(spend);
    tensor.quantizer = checkedQuantizer(`checkpoint: ${label}`, dtype, tensor.shape, qparams);
    if (!shape) return;
    spend(numel(shape));
    tensor.storage = { data: unpackIntegers(dtype, ints.elements(), numel(shape)), version: 0 };
  });
  return tensor;
}

function numel(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

/** The shape of a tensor whose values share bytes: a row in memory from the storage's beginning, as PyTorch writes it. */
function packedShape(label: string, { dtype, size, stride, offset }: QuantizedParts): readonly number[] {
  const count = isTuple(size) ? checkedNumel(size) : null;
  if (count === null || count > MAX_ELEMENTS || !isTuple(stride)) fail(`${label} has no valid size and stride`);
  const shape = size as readonly number[];
  if (offset !== 0 || !sameShape(stride as readonly number[], contiguousStrides(shape))) {
    fail(`${label} of ${dtype.name} is a view: size ${formatShape(shape)}, offset ${describe(offset)}; not supported`);
  }
  return shape;
}

/**
 * Reads `(scheme, scale, zero_point)` or `(scheme, scales, zero_points, axis)`. PyTorch writes per_channel_affine for float
 * qparams too; the dtype of the zero points tells them apart.
 */
function qparamsReader(label: string, qparams: PickleValue): (spend: (count: number) => void) => StoredQparams {
  const [scheme, first, second, axis] = isTuple(qparams) ? qparams : [];
  const name = scheme instanceof PythonName ? scheme.pythonName : "";
  switch (name) {
    case "torch.per_tensor_affine":
      return () => ({ scheme: "per_tensor", scale: first, zeroPoint: second });
    case "torch.per_channel_affine":
    case "torch.per_channel_affine_float_qparams":
      return (spend) => {
        const isFloat = second instanceof Tensor ? second.dtype.isFloatingPoint : name.endsWith("float_qparams");
        const [scales, zeroPoints] = [first, second].map((values) => vector(label, values, spend));
        return { scheme: "per_channel", scales, zeroPoints, axis, floatQparams: isFloat };
      };
    default:
      return fail(`${label} has the quantization scheme ${describe(scheme)}, which is not supported`);
  }
}

/** Scales or zero points: a vector, or the list of numbers that old versions wrote. */
function vector(label: string, values: PickleValue | undefined, spend: (count: number) => void): ArrayLike<number> {
  const isNumber = (value: PickleValue): value is number => typeof value === "number";
  if (Array.isArray(values) && values.every(isNumber)) {
    spend(values.length);
    return values as readonly number[];
  }
  if (!(values instanceof Tensor) || values.ndim !== 1 || values.isQuantized || values.dtype.bits < 32) {
    return fail(`${label} has no vector of scales or zero points`);
  }
  spend(values.numel());
  return values.elements();
}

// ---------------------------------------------------------------- packed weights

const packedConvs = ["Conv2d", "Conv3d"].map((conv) => `__torch__.torch.classes.quantized.${conv}PackedParamsBase`);
const PACKED_LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase";
const CELL_PARAMS = "__torch__.torch.classes.rnn.CellParamsBase";

const scriptClasses: ReadonlySet<string> = new Set([PACKED_LINEAR, CELL_PARAMS, ...packedConvs]);

/** Gives a packed weight what the pickle says about it, `(state, class name)`. Refuses other classes by name. */
export function restoreScriptObject(target: ScriptObject, attributes: PickleValue): void {
  const [state, className] = isTuple(attributes) ? attributes : [];
  if (typeof className !== "string" || state === undefined) fail("an object of a TorchScript class has no class name");
  if (!scriptClasses.has(className)) {
    fail(`refuses the TorchScript class ${describe(className)}: only packed weights are loaded; nothing was executed`);
  }
  target.className = className;
  target.state = state;
}

/**
 * The tensors of one entry of a state dict with the keys under which they stand here, or null for what no state dict holds.
 * Tuples and packed weights count their tensors: `….0` is a weight, `….1` its bias. Dtypes, which quantized modules save beside
 * their weights, are left out: the weights have them.
 */
export function stateTensors(key: string, value: PickleValue): [string, Tensor][] | null {
  if (value instanceof Tensor) return [[key, value]];
  if (/(?:^|\.)dtype$/.test(key)) return isDtype(value) ? [] : null;
  if (value === null && /(?:^|\.)bias$/.test(key)) return []; // how old versions save that there is none
  if (value instanceof ScriptObject) return stateOfObject(key, value);
  return /(?:^|\.)_packed_params$/.test(key) ? weightAndBias(key, value) : null;
}

function isDtype(value: PickleValue): boolean {
  return value instanceof PythonName || (typeof value === "object" && value !== null && "itemSize" in value);
}

function stateOfObject(key: string, { className, state }: ScriptObject): [string, Tensor][] {
  if (className === PACKED_LINEAR)
    return weightAndBias(key, state) ?? fail(`packed weight ${describe(key)} is malformed`);
  const parts = isTuple(state) ? state : [];
  if (className === CELL_PARAMS) {
    // (kind, biases, scales, zero points, packed weights); the packed weights have the biases too.
    const packed: PickleValue = parts[4];
    if (!Array.isArray(packed)) fail(`the cell parameters ${describe(key)} are malformed`);
    return packed.flatMap((item: PickleValue, i) =>
      item instanceof ScriptObject && item.className === PACKED_LINEAR
        ? stateOfObject(`${key}.${i}`, item)
        : fail(`the cell parameters ${describe(key)} are malformed`),
    );
  }
  // (version "2", [sizes, weight], [bias]) of a convolution
  const [version, tensors, optional] = parts;
  if (version !== "2" || !Array.isArray(tensors) || !Array.isArray(optional)) {
    fail(`the packed convolution ${describe(key)} is of version ${describe(version)}, only 2 is supported`);
  }
  const pair: readonly PickleValue[] = Object.freeze([tensors[1] ?? null, optional[0] ?? null]);
  return weightAndBias(key, pair) ?? fail(`packed weight ${describe(key)} is malformed`);
}

/** The items of a tuple (weight, bias or None). */
function weightAndBias(key: string, value: PickleValue): [string, Tensor][] | null {
  if (!isTuple(value) || value.length !== 2) return null;
  const [weight, bias] = value;
  if (!(weight instanceof Tensor) || !(bias === null || bias instanceof Tensor)) return null;
  return [[`${key}.0`, weight], ...(bias ? [[`${key}.1`, bias] satisfies [string, Tensor]] : [])];
}
