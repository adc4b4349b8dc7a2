/** Static quantized attention with several heads (`torch.ao.nn.quantized.MultiheadAttention`). */
import { quint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import { _chooseQparamsPerTensor, quantizePerTensor } from "../../../ops/quantize.ts";
import { convertInsides, refuseStep } from "./insides.ts";
import { MultiheadAttention as QuantizableMultiheadAttention } from "./multihead-attention.ts";

/** A quantizable MultiheadAttention whose parts are quantized: takes and gives quantized tensors, and plain masks. */
export class MultiheadAttention extends QuantizableMultiheadAttention {
  override getName(): string {
    return "QuantizedMultiheadAttention";
  }

  /** Always throws: the way is from float to observed (nn.quantizable.MultiheadAttention) to quantized. */
  static override fromFloat(_float: Module): MultiheadAttention {
    const instead = "See nn.quantizable.MultiheadAttention.fromFloat.";
    return refuseStep("nn.quantized.MultiheadAttention", "non-observed MultiheadAttention", instead);
  }

  /**
   * A quantized copy of an observed and calibrated quantizable MultiheadAttention. `bias_k` and `bias_v` become quint8 tensors,
   * each on the grid of its own range, and stay in the state dict. (PyTorch 2.6 takes bias_k's range for bias_v, and saves neither.)
   */
  static override fromObserved(observed: Module): MultiheadAttention {
    if (!(observed instanceof QuantizableMultiheadAttention)) {
      throw new OctetError(
        `MultiheadAttention.fromObserved: expected a quantizable MultiheadAttention, got ${observed.getName()}`,
      );
    }
    const converted = convertInsides(observed, this);
    // The linear layers hold what they held.
    const fields = converted as { in_proj_weight?: unknown; in_proj_bias?: unknown };
    delete fields.in_proj_weight;
    delete fields.in_proj_bias;
    converted.quantizeBias("bias_k");
    converted.quantizeBias("bias_v");
    return converted;
  }

  private quantizeBias(key: "bias_k" | "bias_v"): void {
    const bias = this[key];
    if (!bias) return;
    this[key] = null;
    const values = bias.detach();
    this.registerBuffer(key, quantizePerTensor(values, ..._chooseQparamsPerTensor(values), quint8));
  }
}
