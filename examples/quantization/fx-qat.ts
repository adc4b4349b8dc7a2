/** Graph mode, quantization-aware training: the network learns with the rounding that int8 will do. */
import type { Tensor } from "octet";
import { nn, noGrad, optim, quantization as q, randn } from "octet";
import { UserModel } from "./fx-model.ts";
import { runDirectly } from "./run.ts";

export function main() {
  const modelFp = new UserModel();
  const inputFp32 = randn([8, 3, 8, 8]);
  const target = randn([8, 2]);

  const qconfigMapping = q.getDefaultQatQconfigMapping("qnnpack");
  const modelPrepared = q.prepareQatFx(modelFp.train(), qconfigMapping, [inputFp32]);

  const optimizer = new optim.SGD(modelPrepared.parameters(), { lr: 0.05 });
  const losses = Array.from({ length: 20 }, () => {
    optimizer.zeroGrad();
    const loss = nn.functional.mseLoss(modelPrepared(inputFp32) as Tensor, target);
    loss.backward();
    optimizer.step();
    return loss.item();
  });

  modelPrepared.eval();
  return q.withEngine("qnnpack", () => {
    const modelQuantized = q.convertFx(modelPrepared);
    const simulated = noGrad(() => modelPrepared(inputFp32) as Tensor);
    return { losses, modelQuantized, res: modelQuantized(inputFp32), simulated };
  });
}

runDirectly(import.meta.url, main);
