/** Graph mode's fusion alone: batch norms are folded into the convolutions before them. The result is a float model. */
import { noGrad, quantization as q, randn } from "octet";
import { UserModel } from "./fx-model.ts";
import { runDirectly } from "./run.ts";

export function main() {
  const modelFp = new UserModel().eval();
  const modelFused = q.fuseFx(modelFp);
  const x = randn([2, 3, 8, 8]);
  return {
    modelFused,
    code: modelFused.code,
    res: noGrad(() => modelFused(x) as unknown),
    float: noGrad(() => modelFp(x)),
  };
}

runDirectly(import.meta.url, main);
