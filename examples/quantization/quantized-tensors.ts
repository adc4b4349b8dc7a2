/** Quantized tensors: integers with the scale and zero point that they stand for, per tensor or per channel. */
import {
  dequantize,
  float16,
  int64,
  nn,
  qint8,
  quantizePerChannel,
  quantizePerTensor,
  quantizePerTensorDynamic,
  quint8,
  tensor,
} from "octet";
import { runDirectly } from "./run.ts";

export function main() {
  const x = tensor([
    [-1, 0, 1],
    [2, 40, -80],
  ]);

  // Float to quantized: q = clamp(zeroPoint + round(x / scale)).
  const perTensor = quantizePerTensor(x, 0.5, 128, quint8);
  // One scale for each row: small values keep their precision beside large ones. (Float zero points would give another scheme.)
  const perChannel = quantizePerChannel(x, tensor([1 / 127, 80 / 127]), tensor([0, 0], { dtype: int64 }), 0, qint8);
  // Scale and zero point from the values themselves.
  const dynamic = quantizePerTensorDynamic(x, quint8, false);
  const half = x.to(float16);

  // What they carry.
  const attributes = {
    scheme: String(perTensor.qscheme()),
    dtype: perTensor.dtype.name,
    scale: perTensor.qScale(),
    zeroPoint: perTensor.qZeroPoint(),
    integers: perTensor.intRepr().tolist(),
    channelScheme: String(perChannel.qscheme()),
    channelScales: perChannel.qPerChannelScales().toNumbers(),
    channelZeroPoints: perChannel.qPerChannelZeroPoints().toNumbers(),
    channelAxis: perChannel.qPerChannelAxis(),
  };

  // And back: zero is exact, so padding adds no error.
  const back = {
    perTensor: perTensor.dequantize(),
    perChannel: dequantize(perChannel),
    dynamic: dynamic.dequantize(),
    half: half.dequantize(),
  };

  // Operators that know quantized tensors compute on the integers.
  const relu = nn.functional.relu(perTensor);
  return { perTensor, perChannel, dynamic, attributes, back, relu };
}

runDirectly(import.meta.url, main);
