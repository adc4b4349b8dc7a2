/** What a qconfig asks for, told from the dtypes of its observers (`torch.ao.quantization.utils`). */
import type { DType } from "../core/dtype.ts";
import { float16, int16, int32, int8, qint32, qint8, quint2x4, quint4x2, quint8, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { QScheme } from "../core/qparams.ts";
import { perChannelAffine, perChannelSymmetric, perTensorAffine, perTensorSymmetric } from "../core/qparams.ts";
import type { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Qparams } from "./determine-qparams.ts";
import type { QConfig } from "./qconfig.ts";
import { QuantType } from "./quant-type.ts";
import { create } from "./with-args.ts";

/** PyTorch also names the 8-bit floats, which Octet does not have. */
const staticDtypes: readonly DType[] = [quint8, qint8, quint4x2, qint32, uint8, int8, int16, int32];
const byteDtypes: readonly DType[] = [quint8, qint8, uint8, int8];

function dtypeOf(module: Module): DType {
  const { dtype } = module as { dtype?: DType };
  if (!dtype) throw new OctetError(`'${module.getName()}' object has no attribute 'dtype'`);
  return dtype;
}

function madeBy(qconfig: QConfig): { activation: Module; weight: Module } {
  if (!qconfig.weight) throw new OctetError(`${qconfig}: has no weight observer`);
  return { activation: create(qconfig.activation), weight: create(qconfig.weight) };
}

/** Dtypes of activation and weight, and whether activations are quantized dynamically. */
export function getQconfigDtypes(qconfig: QConfig): [activation: DType, weight: DType, isDynamic: boolean] {
  const { activation, weight } = madeBy(qconfig);
  return [dtypeOf(activation), dtypeOf(weight), (activation as { isDynamic?: boolean }).isDynamic ?? false];
}

export function activationDtype(qconfig: QConfig): DType {
  return dtypeOf(create(qconfig.activation));
}

export function weightDtype(qconfig: QConfig): DType {
  return dtypeOf(madeBy(qconfig).weight);
}

export function activationIsStaticallyQuantized(qconfig: QConfig): boolean {
  const dtype = activationDtype(qconfig);
  if (dtype === quint4x2 || !(staticDtypes.includes(dtype) || dtype === float16)) return false;
  return !activationIsDynamicallyQuantized(qconfig);
}

export function activationIsDynamicallyQuantized(qconfig: QConfig): boolean {
  return (create(qconfig.activation) as { isDynamic?: boolean }).isDynamic ?? false;
}

export function activationIsInt8Quantized(qconfig: QConfig): boolean {
  return byteDtypes.includes(activationDtype(qconfig));
}

export function activationIsInt32Quantized(qconfig: QConfig): boolean {
  return [qint32, int32].includes(activationDtype(qconfig));
}

export function weightIsQuantized(qconfig: QConfig): boolean {
  return [quint8, qint8, float16, quint4x2, uint8, int8, int16, int32].includes(weightDtype(qconfig));
}

export function weightIsStaticallyQuantized(qconfig: QConfig): boolean {
  return byteDtypes.includes(weightDtype(qconfig));
}

export function opIsInt8DynamicallyQuantized(qconfig: QConfig): boolean {
  const [activation, weight, isDynamic] = getQconfigDtypes(qconfig);
  return [quint8, uint8].includes(activation) && [qint8, int8].includes(weight) && isDynamic;
}

/** The kind of quantization that a qconfig asks for. Throws where its dtypes ask for none. */
export function getQuantType(qconfig: QConfig): QuantType {
  const { activation, weight } = madeBy(qconfig);
  const weightDtype = dtypeOf(weight);
  const isDynamic = (activation as { isDynamic?: boolean }).isDynamic ?? false;
  if (staticDtypes.includes(weightDtype)) {
    if (isDynamic) return QuantType.DYNAMIC;
    return staticDtypes.includes(dtypeOf(activation)) ? QuantType.STATIC : QuantType.WEIGHT_ONLY;
  }
  if (weightDtype === float16) {
    if (isDynamic) return QuantType.DYNAMIC;
    if (dtypeOf(activation) === float16) return QuantType.STATIC;
  }
  throw new OctetError(
    `Unrecognized dtype combination in get_quant_type: activation(${dtypeOf(activation)}),weight(${weightDtype})`,
  );
}

// ---------------------------------------------------------------- schemes and qparams

export function isPerTensor(qscheme: QScheme): boolean {
  return !qscheme.isPerChannel;
}

export function isPerChannel(qscheme: QScheme): boolean {
  return qscheme.isPerChannel;
}

/** The plain dtype of a quantized one's integers; other integer dtypes are their own. */
export function toUnderlyingDtype(dtype: DType): DType {
  const underlying = new Map<DType, DType>([
    [quint8, uint8],
    [qint8, int8],
    [qint32, int32],
    [quint4x2, uint8],
    [quint2x4, uint8],
    [uint8, uint8],
    [int8, int8],
    [int16, int16],
    [int32, int32],
  ]).get(dtype);
  if (!underlying) throw new OctetError(`Unsupported dtype: ${dtype}`);
  return underlying;
}

/** What {@link getQparamDict} gathers from an observer. */
export interface QparamDict {
  /** Affine, also where the observer's is symmetric: tensors have no symmetric schemes. */
  readonly qscheme: QScheme;
  readonly dtype: DType;
  readonly scale: Tensor;
  readonly zeroPoint: Tensor;
  /** Of per-channel schemes. */
  readonly axis?: number;
  readonly quantMin?: number;
  readonly quantMax?: number;
}

/** All that is needed to quantize a tensor as an observer or fake-quantize module says. */
export function getQparamDict(
  observer: Module & { readonly qscheme: QScheme; readonly dtype: DType; calculateQparams(): Qparams },
): QparamDict {
  const { chAxis, quantMin, quantMax } = observer as { chAxis?: number; quantMin?: number; quantMax?: number };
  const affine = new Map([
    [perTensorSymmetric, perTensorAffine],
    [perChannelSymmetric, perChannelAffine],
  ]);
  const [scale, zeroPoint] = observer.calculateQparams();
  return {
    qscheme: affine.get(observer.qscheme) ?? observer.qscheme,
    dtype: observer.dtype,
    scale,
    zeroPoint,
    ...(observer.qscheme.isPerChannel ? { axis: chAxis } : {}),
    ...(quantMin === undefined ? {} : { quantMin }),
    ...(quantMax === undefined ? {} : { quantMax }),
  };
}
