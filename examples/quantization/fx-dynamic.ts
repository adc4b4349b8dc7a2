/** Graph mode, dynamic quantization: int8 weights; activations are quantized by their own range at every call. */
import type { Tensor } from "octet";
import { nn, noGrad, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

class UserModel extends nn.Module {
  fc1 = new nn.Linear(6, 8);
  relu = new nn.ReLU();
  fc2 = new nn.Linear(8, 4);

  override forward(x: Tensor): Tensor {
    return this.fc2(this.relu(this.fc1(x)));
  }
}

export function main() {
  const modelFp = new UserModel().eval();
  const inputFp32 = randn([4, 6]);
  const qconfigMapping = new q.QConfigMapping().setGlobal(q.defaultDynamicQconfig);
  const modelPrepared = q.prepareFx(modelFp, qconfigMapping, [inputFp32]);

  // No calibration: there is nothing to observe ahead.
  return q.withEngine("qnnpack", () => {
    const modelQuantized = q.convertFx(modelPrepared);
    return { modelQuantized, res: modelQuantized(inputFp32), float: noGrad(() => modelFp(inputFp32)) };
  });
}

runDirectly(import.meta.url, main);
