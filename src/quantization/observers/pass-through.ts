/** Observers that measure nothing: they carry a configuration, fixed qparams, or the tensors themselves. */
import type { DType } from "../../core/dtype.ts";
import { float16, float32, int32, quint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { QScheme } from "../../core/qparams.ts";
import { perTensorAffine } from "../../core/qparams.ts";
import { warn } from "../../core/warnings.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Qparams } from "../determine-qparams.ts";
import type { TensorJSON } from "./json.ts";
import { decodeTensor, encodeTensor } from "./json.ts";
import { FLOAT32_EPS, ObserverBase } from "./observer-base.ts";

export interface FixedQParamsOptions {
  readonly scale: number;
  readonly zeroPoint: number;
  /** Default quint8. */
  readonly dtype?: DType;
  readonly qscheme?: QScheme;
  /** Default 0. */
  readonly quantMin?: number;
  /** Default 255. */
  readonly quantMax?: number;
  readonly isDynamic?: boolean;
}

/** For operators whose output range is known, like sigmoid. State: `scale` and `zero_point`, both [1]. */
export class FixedQParamsObserver extends ObserverBase {
  qscheme: QScheme;
  quantMin: number;
  quantMax: number;
  declare scale: Tensor;
  declare zero_point: Tensor;

  constructor(options: FixedQParamsOptions) {
    if (options.isDynamic) throw new OctetError("FixedQParamsObserver doesn't support dynamic quantization");
    super({ ...options, dtype: options.dtype ?? quint8 });
    this.quantMin = options.quantMin ?? 0;
    this.quantMax = options.quantMax ?? 255;
    this.registerBuffer("scale", Tensor.fromArray(Float32Array.of(options.scale), [1], float32));
    this.registerBuffer("zero_point", Tensor.fromArray(Int32Array.of(options.zeroPoint), [1], int32));
    this.qscheme = options.qscheme ?? perTensorAffine;
  }

  override forward(x: Tensor): Tensor {
    return x;
  }

  override calculateQparams(): Qparams {
    return [this.scale, this.zero_point];
  }
}

export interface PlaceholderOptions {
  /** Default float32. */
  readonly dtype?: DType;
  readonly customOpName?: string;
  /** Deprecated; use `isDynamic`. As in PyTorch it warns and does nothing else. */
  readonly computeDtype?: DType | null;
  readonly quantMin?: number | null;
  readonly quantMax?: number | null;
  readonly qscheme?: QScheme | null;
  readonly eps?: number | null;
  readonly isDynamic?: boolean;
}

/** Tells what to quantize to where no range is needed: dynamic quantization, float16. */
export class PlaceholderObserver extends ObserverBase {
  qscheme: QScheme;
  quantMin: number | null;
  quantMax: number | null;
  eps: number;
  customOp: string;

  constructor(options: PlaceholderOptions = {}) {
    super({ ...options, dtype: options.dtype ?? float32 });
    this.qscheme = options.qscheme ?? perTensorAffine;
    this.quantMin = options.quantMin ?? null;
    this.quantMax = options.quantMax ?? null;
    this.eps = options.eps ?? FLOAT32_EPS;
    this.customOp = options.customOpName ?? "";
    if (options.computeDtype) warn("PlaceholderObserver: use isDynamic instead of computeDtype, which is deprecated.");
  }

  override forward(x: Tensor): Tensor {
    return x;
  }

  override extraRepr(): string {
    return `dtype=${this.dtype}, is_dynamic=${this.isDynamic ? "True" : "False"}`;
  }

  override calculateQparams(): Qparams {
    throw new OctetError("calculate_qparams should not be called for PlaceholderObserver");
  }
}

/** Keeps copies of all tensors it sees, for debugging. */
export class RecordingObserver extends ObserverBase {
  tensorVal: Tensor[] = [];

  /** `dtype` defaults to quint8. */
  constructor(options: { readonly dtype?: DType } = {}) {
    super({ dtype: options.dtype ?? quint8 });
  }

  override forward(x: Tensor): Tensor {
    this.tensorVal.push(copyOf(x));
    return x;
  }

  override calculateQparams(): Qparams {
    throw new OctetError("calculate_qparams should not be called for RecordingObserver");
  }

  getTensorValue(): readonly Tensor[] {
    return this.tensorVal;
  }

  protected override mergeStatistics(other: this): void {
    this.tensorVal.push(...other.tensorVal);
  }

  protected override saveHistory(): unknown {
    return this.tensorVal.map(encodeTensor);
  }

  override loadHistory(history: unknown): void {
    this.tensorVal = (history as readonly TensorJSON[]).map(decodeTensor);
  }
}

/** A contiguous copy of the values, outside any graph. */
function copyOf(x: Tensor): Tensor {
  const elements = x.elements();
  const own = elements.buffer === x.storage.data.buffer ? elements.slice() : elements;
  const { shape, dtype, quantizer } = x;
  return new Tensor({ storage: { data: own, version: 0 }, shape, dtype, quantizer });
}

/** Passes its dtype on and does nothing. */
export class NoopObserver extends ObserverBase {
  customOp: string;

  /** `dtype` defaults to float16. */
  constructor(options: { readonly dtype?: DType; readonly customOpName?: string } = {}) {
    super({ ...options, dtype: options.dtype ?? float16 });
    this.customOp = options.customOpName ?? "";
  }

  override forward(x: Tensor): Tensor {
    return x;
  }

  override calculateQparams(): Qparams {
    throw new OctetError("calculate_qparams should not be called for NoopObserver");
  }
}

/** Says that an operator's output shares the observer of its input, as reshape's does (FX graph mode only). */
export class ReuseInputObserver extends ObserverBase {
  constructor() {
    super({ dtype: quint8 });
  }

  override forward(x: Tensor): Tensor {
    return x;
  }

  override calculateQparams(): Qparams {
    throw new OctetError("calculate_qparams should not be called for ReuseInputObserver");
  }
}
