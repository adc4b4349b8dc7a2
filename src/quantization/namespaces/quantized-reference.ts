/** Reference modules (`torch.ao.nn.quantized.reference`). */
import { referenceConvClasses } from "../recipes/conv/reference.ts";

export const { Conv: Conv1d, ConvTranspose: ConvTranspose1d } = referenceConvClasses[1];
export const { Conv: Conv2d, ConvTranspose: ConvTranspose2d } = referenceConvClasses[2];
export const { Conv: Conv3d, ConvTranspose: ConvTranspose3d } = referenceConvClasses[3];
export { Embedding, EmbeddingBag } from "../recipes/embedding/reference.ts";
export { Linear } from "../recipes/linear/reference.ts";
export { GRUCell, LSTMCell, RNNCell } from "../recipes/rnn/reference-cells.ts";
export { GRU, LSTM } from "../recipes/rnn/reference.ts";
