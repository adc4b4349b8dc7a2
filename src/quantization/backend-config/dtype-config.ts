/** Which dtypes, and which ranges and qparams, a backend computes a pattern in (`DTypeConfig`, `DTypeWithConstraints`). */
import { OctetError } from "../../core/errors.ts";
import type { DType } from "../../core/dtype.ts";

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

/** A {@link DTypeConfig} as plain data; also what its constructor takes. */
export interface DTypeConfigDict {
  readonly inputDtype?: DType | DTypeWithConstraints | null;
  readonly outputDtype?: DType | DTypeWithConstraints | null;
  readonly weightDtype?: DType | DTypeWithConstraints | null;
  readonly biasDtype?: DType | null;
  /** Activations are quantized by their own range at every call. */
  readonly isDynamic?: boolean | null;
}

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

  constructor({ inputDtype, outputDtype, weightDtype, biasDtype, isDynamic }: DTypeConfigDict = {}) {
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
    return new DTypeConfig(dict);
  }

  /** Without what is not set. */
  toDict(): DTypeConfigDict {
    return {
      ...(this.inputDtype && { inputDtype: this.inputDtypeWithConstraints }),
      ...(this.outputDtype && { outputDtype: this.outputDtypeWithConstraints }),
      ...(this.weightDtype && { weightDtype: this.weightDtypeWithConstraints }),
      ...(this.biasDtype && { biasDtype: this.biasDtype }),
      ...(this.isDynamic !== null && { isDynamic: this.isDynamic }),
    };
  }
}

function withConstraints(what: string, dtype: DType | DTypeWithConstraints | null | undefined): DTypeWithConstraints {
  if (dtype instanceof DTypeWithConstraints) return dtype;
  if (dtype && !("itemSize" in dtype)) {
    throw new OctetError(`Expected ${what} to be a dtype or DTypeWithConstraints, got ${String(dtype)}`);
  }
  return new DTypeWithConstraints({ dtype });
}
