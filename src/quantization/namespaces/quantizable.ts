/** Modules that are observed and quantized part by part (`torch.ao.nn.quantizable`). */
export { LSTM, LSTMCell, MultiheadAttention, _LSTMLayer, _LSTMSingleLayer } from "../recipes/quantizable/index.ts";
