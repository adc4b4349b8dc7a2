/** Dynamic quantized modules (`torch.ao.nn.quantized.dynamic`). */
import { dynamicConvs } from "../recipes/conv/dynamic.ts";

export const { Conv: Conv1d, ConvTranspose: ConvTranspose1d } = dynamicConvs[1];
export const { Conv: Conv2d, ConvTranspose: ConvTranspose2d } = dynamicConvs[2];
export const { Conv: Conv3d, ConvTranspose: ConvTranspose3d } = dynamicConvs[3];
export { Linear } from "../recipes/linear/dynamic.ts";
export { GRUCell, LSTMCell, RNNCell } from "../recipes/rnn/cells.ts";
export { GRU, LSTM } from "../recipes/rnn/dynamic.ts";
