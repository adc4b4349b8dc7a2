/**
 * Observing a tensor and fake-quantizing it in one step (`torch.fused_moving_avg_obs_fake_quant`). Its qparams are those of
 * dynamic quantization (chooseQparams), which observers do not compute: symmetric scales differ a little, and a channel
 * whose values all have one sign gets an asymmetric zero point.
 */
import { float32 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { chooseQparams } from "../core/qparams.ts";
import { kernels } from "../kernels/registry.ts";
import { Tensor } from "../tensor/tensor.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { clone } from "./copy.ts";
import { fakeQuantizePerChannelAffine, fakeQuantizePerTensorAffine } from "./fake-quantize.ts";
import { composite } from "./op.ts";
import { channelLayoutAt } from "./quantize.ts";

/** The buffers that {@link fusedMovingAvgObsFakeQuant} reads and changes in place. */
interface Buffers {
  /** Empty buffers get the size of the channels. Infinite entries count as unseen. */
  readonly runningMin: Tensor;
  readonly runningMax: Tensor;
  readonly scale: Tensor;
  readonly zeroPoint: Tensor;
}

/** running + c · (current − running) in float32; the current value where nothing was seen before. */
function average(running: Tensor, current: Float32Array, c: number): void {
  current.forEach((value, i) => {
    const before = running.readAt(running.offset + i);
    const moved = Math.fround(before + Math.fround(Math.fround(c) * Math.fround(value - before)));
    running.writeAt(running.offset + i, Math.abs(before) === Infinity ? value : moved);
  });
  running.bumpVersion();
}

function observe(x: Tensor, buffers: Buffers, c: number, axis: number | null): void {
  const { runningMin, runningMax, scale, zeroPoint } = buffers;
  const layout = axis === null ? { outer: 1, channels: 1, inner: x.numel() } : channelLayoutAt(x.shape, axis);
  if (axis !== null && runningMin.numel() === 0) {
    for (const [buffer, value] of [
      [runningMin, Infinity],
      [runningMax, -Infinity],
      [scale, 1],
      [zeroPoint, 0],
    ] as const) {
      buffer.data = Tensor.fromArray(
        buffer.dtype.allocate(layout.channels).fill(value),
        [layout.channels],
        buffer.dtype,
      );
    }
  }
  const [min, max] = [new Float32Array(layout.channels), new Float32Array(layout.channels)];
  kernels().minMax(x.elements() as Float32Array, layout, min, max);
  average(runningMin, min, c);
  average(runningMax, max, c);
}

/** Writes the qparams of the running ranges into the buffers. */
function updateQparams(buffers: Buffers, quantMin: number, quantMax: number, preserveSparsity: boolean): void {
  const { runningMin, runningMax, scale, zeroPoint } = buffers;
  for (let i = 0; i < runningMin.numel(); i++) {
    const [min, max] = [runningMin, runningMax].map((buffer) => buffer.readAt(buffer.offset + i));
    if (!(min <= max)) {
      throw new OctetError("In ChooseQuantizationParams, min should be less than or equal to max");
    }
    const chosen = chooseQparams(min, max, quantMin, quantMax, { preserveSparsity });
    scale.writeAt(scale.offset + i, chosen.scale);
    zeroPoint.writeAt(zeroPoint.offset + i, chosen.zeroPoint);
  }
  scale.bumpVersion();
  zeroPoint.bumpVersion();
}

/**
 * Moves `runningMin` and `runningMax` towards the range of `x` by `averagingConst` if `observerOn` holds 1, and fake-
 * quantizes `x` with the qparams of that range if `fakeQuantOn` holds 1; these go into `scale` and `zeroPoint`. Per row
 * only along `chAxis` 0, as PyTorch does. `x` must be float32.
 */
export function fusedMovingAvgObsFakeQuant(
  x: Tensor,
  observerOn: Tensor,
  fakeQuantOn: Tensor,
  runningMin: Tensor,
  runningMax: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  averagingConst: number,
  quantMin: number,
  quantMax: number,
  chAxis: number,
  perRowFakeQuant = false,
  symmetricQuant = false,
): Tensor {
  return fused(
    x,
    observerOn,
    fakeQuantOn,
    { runningMin, runningMax, scale, zeroPoint },
    { averagingConst, quantMin, quantMax, chAxis, perRowFakeQuant, symmetricQuant },
  );
}

interface FusedOptions {
  readonly averagingConst: number;
  readonly quantMin: number;
  readonly quantMax: number;
  readonly chAxis: number;
  readonly perRowFakeQuant: boolean;
  readonly symmetricQuant: boolean;
}

const fused = composite(
  "fusedMovingAvgObsFakeQuant",
  (x: Tensor, observerOn: Tensor, fakeQuantOn: Tensor, buffers: Buffers, options: FusedOptions): Tensor => {
    const { quantMin, quantMax, chAxis, perRowFakeQuant } = options;
    checkInput(x, buffers, options);
    if (x.numel() === 0) return clone(x);
    const fakeQuantize = fakeQuantOn.item() === 1;
    noGrad(() => {
      if (observerOn.item() === 1) observe(x, buffers, options.averagingConst, perRowFakeQuant ? chAxis : null);
      if (fakeQuantize) updateQparams(buffers, quantMin, quantMax, options.symmetricQuant);
    });
    if (!fakeQuantize) return clone(x);
    if (!perRowFakeQuant) return fakeQuantizePerTensorAffine(x, buffers.scale, buffers.zeroPoint, quantMin, quantMax);
    return fakeQuantizePerChannelAffine(x, buffers.scale, buffers.zeroPoint, chAxis, quantMin, quantMax);
  },
);

function checkInput(x: Tensor, { runningMin }: Buffers, { chAxis, perRowFakeQuant }: FusedOptions): void {
  if (x.dtype !== float32) throw new OctetError(`fusedMovingAvgObsFakeQuant: expects float32, got ${x.dtype.name}`);
  if (chAxis >= x.ndim) {
    throw new OctetError("Error in fused_moving_avg_obs_fake_quant_cpu: ch_axis must be < self.dim()");
  }
  if (perRowFakeQuant && chAxis !== 0) {
    throw new OctetError("Per-channel FakeQuant in fused_moving_avg_obs_fake_quant is only supported on axis == 0");
  }
  const expected = perRowFakeQuant ? x.shape[0] : 1;
  if (runningMin.numel() !== expected && !(perRowFakeQuant && runningMin.numel() === 0)) {
    throw new OctetError(
      `fusedMovingAvgObsFakeQuant: running minimum has ${runningMin.numel()} elements, expected ${expected}`,
    );
  }
}
