/** Graph mode, post-training static quantization: the model is traced, fused and observed by itself; no stubs. */
import { noGrad, quantization as q, randn } from "octet";
import { UserModel } from "./fx-model.ts";
import { runDirectly } from "./run.ts";

export function main() {
  const modelFp = new UserModel();
  const inputFp32 = randn([4, 3, 8, 8]);

  // prepareFx works on a copy: the model itself stays as it is.
  modelFp.eval();
  const qconfigMapping = q.getDefaultQconfigMapping("qnnpack");
  const modelPrepared = q.prepareFx(modelFp, qconfigMapping, [inputFp32]);

  // Calibration; a real program would run representative data.
  noGrad(() => modelPrepared(inputFp32) as unknown);

  return q.withEngine("qnnpack", () => {
    const modelQuantized = q.convertFx(modelPrepared);
    const res = modelQuantized(inputFp32);
    const explained = q.formatExplanations(q.explain(modelQuantized));
    return { modelQuantized, explained, res, float: noGrad(() => modelFp(inputFp32)) };
  });
}

runDirectly(import.meta.url, main);
