/** The static quantized LSTM (`torch.ao.nn.quantized.LSTM`). */
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import { convertInsides, refuseStep } from "./insides.ts";
import { LSTM as QuantizableLSTM } from "./lstm.ts";

/** A quantizable LSTM whose parts are quantized: takes and gives quantized tensors. */
export class LSTM extends QuantizableLSTM {
  override getName(): string {
    return "QuantizedLSTM";
  }

  /** Always throws: the way is from float to observed (nn.quantizable.LSTM) to quantized. */
  static override fromFloat(_float: Module): LSTM {
    return refuseStep("nn.quantized.LSTM", "non-observed LSTM", "See nn.quantizable.LSTM.fromFloat.");
  }

  /** A quantized copy of an observed and calibrated (or trained) quantizable LSTM. */
  static override fromObserved(observed: Module): LSTM {
    if (!(observed instanceof QuantizableLSTM)) {
      throw new OctetError(`LSTM.fromObserved: expected a quantizable LSTM, got ${observed.getName()}`);
    }
    return convertInsides(observed, this);
  }
}
