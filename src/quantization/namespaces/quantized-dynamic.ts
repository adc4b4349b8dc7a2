/** Dynamic quantized modules (`torch.ao.nn.quantized.dynamic`). */
import { quantizedConvs } from "../recipes/conv/quantized.ts";

export const { DynamicConv: Conv1d, DynamicConvTranspose: ConvTranspose1d } = quantizedConvs[1];
export const { DynamicConv: Conv2d, DynamicConvTranspose: ConvTranspose2d } = quantizedConvs[2];
export const { DynamicConv: Conv3d, DynamicConvTranspose: ConvTranspose3d } = quantizedConvs[3];
export { Linear } from "../recipes/linear/dynamic.ts";
export { GRUCell, LSTMCell, RNNCell } from "../recipes/rnn/cells.ts";
export { GRU, LSTM } from "../recipes/rnn/dynamic.ts";
