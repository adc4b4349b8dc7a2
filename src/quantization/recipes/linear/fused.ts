/** Float linears fused with what follows them (`torch.ao.nn.intrinsic`). */
import { BatchNorm1d } from "../../../nn/modules/norm.ts";
import { LeakyReLU, ReLU, Tanh } from "../../../nn/modules/activation.ts";
import { Linear } from "../../../nn/modules/linear.ts";
import { fusedClass } from "../fused-module.ts";

export const LinearReLU = fusedClass<[Linear, ReLU]>("LinearReLU", [Linear, ReLU]);
export const LinearBn1d = fusedClass<[Linear, BatchNorm1d]>("LinearBn1d", [Linear, BatchNorm1d]);
export const LinearLeakyReLU = fusedClass<[Linear, LeakyReLU]>("LinearLeakyReLU", [Linear, LeakyReLU]);
export const LinearTanh = fusedClass<[Linear, Tanh]>("LinearTanh", [Linear, Tanh]);
