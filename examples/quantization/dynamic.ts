/** Post-training dynamic quantization: int8 weights; activations are quantized by their own range at every call. */
import type { Tensor } from "octet";
import { nn, noGrad, qint8, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

class M extends nn.Module {
  fc = new nn.Linear(4, 4);

  override forward(x: Tensor): Tensor {
    return this.fc(x);
  }
}

export function main() {
  const modelFp32 = new M();
  const modelInt8 = q.quantizeDynamic(
    modelFp32, // the original model, which stays as it is
    new Set([nn.Linear]), // the layers to quantize
    { dtype: qint8 }, // what their weights become
  );

  const inputFp32 = randn([4, 4, 4, 4]);
  const res = modelInt8(inputFp32);
  return { modelInt8, res, float: noGrad(() => modelFp32(inputFp32)) };
}

runDirectly(import.meta.url, main);
