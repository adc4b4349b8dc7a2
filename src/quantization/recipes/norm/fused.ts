/** Float batch norms fused with the ReLU behind them (`torch.ao.nn.intrinsic`). */
import { ReLU } from "../../../nn/modules/activation.ts";
import { BatchNorm2d, BatchNorm3d } from "../../../nn/modules/norm.ts";
import { fusedClass } from "../fused-module.ts";

export const BNReLU2d = fusedClass<[BatchNorm2d, ReLU]>("BNReLU2d", [BatchNorm2d, ReLU]);
export const BNReLU3d = fusedClass<[BatchNorm3d, ReLU]>("BNReLU3d", [BatchNorm3d, ReLU]);
