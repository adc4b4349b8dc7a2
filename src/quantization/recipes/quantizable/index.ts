/** Modules that are observed and quantized part by part (`torch.ao.nn.quantizable`), and what they become. */
export { LSTM } from "./lstm.ts";
export type { LSTMStates, QuantizableLSTMOptions } from "./lstm.ts";
export { LSTMCell } from "./lstm-cell.ts";
export type { CellState, LSTMCellOptions } from "./lstm-cell.ts";
export { _LSTMLayer, _LSTMSingleLayer } from "./lstm-layer.ts";
export type { LSTMLayerOptions } from "./lstm-layer.ts";
export { MultiheadAttention } from "./multihead-attention.ts";
export { LSTM as QuantizedLSTM } from "./quantized-lstm.ts";
export { MultiheadAttention as QuantizedMultiheadAttention } from "./quantized-multihead-attention.ts";
