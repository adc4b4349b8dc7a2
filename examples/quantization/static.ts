/** Post-training static quantization: int8 weights and activations, whose grids calibration chooses. */
import type { Tensor } from "octet";
import { nn, noGrad, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

class M extends nn.Module {
  // QuantStub converts tensors from floating point to quantized.
  quant = new q.QuantStub();
  conv = new nn.Conv2d(1, 1, 1);
  relu = new nn.ReLU();
  // DeQuantStub converts tensors from quantized to floating point.
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    let x = this.quant(input);
    x = this.conv(x);
    x = this.relu(x);
    return this.dequant(x);
  }
}

export function main() {
  const modelFp32 = new M();

  // Static quantization works on models in evaluation mode.
  modelFp32.eval();

  // The qconfig says which observers to attach: "x86" for servers, "qnnpack" for phones.
  modelFp32.qconfig = q.getDefaultQconfig("x86");

  // Fuses activations into the layers before them; which ones depends on the model.
  const modelFp32Fused = q.fuseModules(modelFp32, [["conv", "relu"]]);

  // Inserts observers, which see the activations during calibration.
  const modelFp32Prepared = q.prepare(modelFp32Fused);

  // Calibration; a real program would run representative data.
  const inputFp32 = randn([4, 1, 4, 4]);
  noGrad(() => modelFp32Prepared(inputFp32));

  // Quantizes the weights, stores the scale and zero point of each activation, and puts quantized modules in place.
  const modelInt8 = q.convert(modelFp32Prepared);

  // The calculations happen in int8.
  const res = modelInt8(inputFp32);
  return { modelFp32Prepared, modelInt8, res, float: noGrad(() => modelFp32(inputFp32)) };
}

runDirectly(import.meta.url, main);
