/** Kinds of quantization (`torch.ao.quantization.QuantType`). */
import { OctetError } from "../core/errors.ts";

/** Values are the names that custom-module configurations use. */
export const QuantType = Object.freeze({
  /** Weights beforehand, activations while the model runs. */
  DYNAMIC: "dynamic",
  /** Weights and activations beforehand, by calibration. */
  STATIC: "static",
  /** As static, after training with fake quantization. */
  QAT: "qat",
  WEIGHT_ONLY: "weight_only",
} as const);

export type QuantType = (typeof QuantType)[keyof typeof QuantType];

/** The kind called `name`: "static", "dynamic", "qat" or "weight_only". */
export function _quantTypeFromStr(name: string): QuantType {
  const found = Object.values(QuantType).find((value) => value === name);
  if (!found) throw new OctetError(`Unknown QuantType name '${name}'`);
  return found;
}
