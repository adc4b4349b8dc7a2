/** Which dtypes, and which ranges and qparams, a backend computes a pattern in (`DTypeConfig`, `DTypeWithConstraints`). */
import { OctetError } from "../../core/errors.ts";
import type { DType } from "../../core/dtype.ts";
import { checkKeys } from "./dict-keys.ts";

export interface DTypeConstraints {
  readonly dtype?: DType | null;
  /** Integers below this, and above the next, are not representable in the backend. */
  readonly quantMinLowerBound?: number | null;
  readonly quantMaxUpperBound?: number | null;
  /** Smallest scale; a qconfig's `eps` must not be below. */
  readonly scaleMinLowerBound?: number | null;
  /** Largest scale; not enforced, as in PyTorch. */
  readonly scaleMaxUpperBound?: number | null;
  /** The only qparams of an operator with a known output range, such as sigmoid. */
  readonly scaleExactMatch?: number | null;
  readonly zeroPointExactMatch?: number | null;
}

/** A dtype and what a backend asks of its qparams. A qconfig that does not satisfy it leaves the pattern in float. */
export class DTypeWithConstraints {
  readonly dtype: DType | null;
  readonly quantMinLowerBound: number | null;
  readonly quantMaxUpperBound: number | null;
  readonly scaleMinLowerBound: number | null;
  readonly scaleMaxUpperBound: number | null;
  readonly scaleExactMatch: number | null;
  readonly zeroPointExactMatch: number | null;

  constructor(constraints: DTypeConstraints = {}) {
    this.dtype = constraints.dtype ?? null;
    this.quantMinLowerBound = constraints.quantMinLowerBound ?? null;
    this.quantMaxUpperBound = constraints.quantMaxUpperBound ?? null;
    this.scaleMinLowerBound = constraints.scaleMinLowerBound ?? null;
    this.scaleMaxUpperBound = constraints.scaleMaxUpperBound ?? null;
    this.scaleExactMatch = constraints.scaleExactMatch ?? null;
    this.zeroPointExactMatch = constraints.zeroPointExactMatch ?? null;
    Object.freeze(this);
  }

  toString(): string {
    const fields: readonly (readonly [string, unknown])[] = [
      ["dtype", this.dtype],
      ["quant_min_lower_bound", this.quantMinLowerBound],
      ["quant_max_upper_bound", this.quantMaxUpperBound],
      ["scale_min_lower_bound", this.scaleMinLowerBound],
      ["scale_max_upper_bound", this.scaleMaxUpperBound],
      ["scale_exact_match", this.scaleExactMatch],
      ["zero_point_exact_match", this.zeroPointExactMatch],
    ];
    return `DTypeWithConstraints(${fields.map(([key, value]) => `${key}=${String(value ?? "None")}`).join(", ")})`;
  }
}

export interface DTypeConfigOptions {
  readonly inputDtype?: DType | DTypeWithConstraints | null;
  readonly outputDtype?: DType | DTypeWithConstraints | null;
  readonly weightDtype?: DType | DTypeWithConstraints | null;
  readonly biasDtype?: DType | null;
  /** Activations are quantized by their own range at every call. */
  readonly isDynamic?: boolean | null;
}

/** A {@link DTypeConfig} as plain data, with PyTorch's keys; without what is not set. */
export interface DTypeConfigDict {
  readonly input_dtype?: DType | DTypeWithConstraints;
  readonly output_dtype?: DType | DTypeWithConstraints;
  readonly weight_dtype?: DType | DTypeWithConstraints;
  readonly bias_dtype?: DType;
  readonly is_dynamic?: boolean;
}

const dictKeys = ["input_dtype", "output_dtype", "weight_dtype", "bias_dtype", "is_dynamic"];

/**
 * The dtypes that observers of a pattern's input, output, weight and bias must have. They are the dtypes of the reference
 * model, not of the tensors that a quantized operator takes: dynamic quantization has quint8 inputs here.
 */
export class DTypeConfig {
  readonly inputDtypeWithConstraints: DTypeWithConstraints;
  readonly outputDtypeWithConstraints: DTypeWithConstraints;
  readonly weightDtypeWithConstraints: DTypeWithConstraints;
  readonly biasDtype: DType | null;
  readonly isDynamic: boolean | null;

  constructor({ inputDtype, outputDtype, weightDtype, biasDtype, isDynamic }: DTypeConfigOptions = {}) {
    this.inputDtypeWithConstraints = withConstraints("inputDtype", inputDtype);
    this.outputDtypeWithConstraints = withConstraints("outputDtype", outputDtype);
    this.weightDtypeWithConstraints = withConstraints("weightDtype", weightDtype);
    this.biasDtype = biasDtype ?? null;
    this.isDynamic = isDynamic ?? null;
    Object.freeze(this);
  }

  get inputDtype(): DType | null {
    return this.inputDtypeWithConstraints.dtype;
  }

  get outputDtype(): DType | null {
    return this.outputDtypeWithConstraints.dtype;
  }

  get weightDtype(): DType | null {
    return this.weightDtypeWithConstraints.dtype;
  }

  static fromDict(dict: DTypeConfigDict): DTypeConfig {
    checkKeys("DTypeConfig", dict, dictKeys);
    return new DTypeConfig({
      inputDtype: dict.input_dtype,
      outputDtype: dict.output_dtype,
      weightDtype: dict.weight_dtype,
      biasDtype: dict.bias_dtype,
      isDynamic: dict.is_dynamic,
    });
  }

  toDict(): DTypeConfigDict {
    return {
      ...(this.inputDtype && { input_dtype: this.inputDtypeWithConstraints }),
      ...(this.outputDtype && { output_dtype: this.outputDtypeWithConstraints }),
      ...(this.weightDtype && { weight_dtype: this.weightDtypeWithConstraints }),
      ...(this.biasDtype && { bias_dtype: this.biasDtype }),
      ...(this.isDynamic !== null && { is_dynamic: this.isDynamic }),
    };
  }
}

function withConstraints(what: string, dtype: DType | DTypeWithConstraints | null | undefined): DTypeWithConstraints {
  if (dtype instanceof DTypeWithConstraints) return dtype;
  if (dtype && (typeof dtype !== "object" || !("itemSize" in dtype))) {
    throw new OctetError(`Expected ${what} to be a dtype or DTypeWithConstraints, got ${String(dtype)}`);
  }
  return new DTypeWithConstraints({ dtype });
}
