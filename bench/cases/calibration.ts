/** What calibration and conversion do with the activation of one layer, 32 × 64 × 56 × 56 floats. */
import { quantization, randn } from "../../src/index.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { referenceKernels } from "../../src/kernels/reference/index.ts";
import type { BenchCase } from "../harness.ts";
import { octetName, randomBytes, wasmKernels } from "./data.ts";

const SHAPE = [32, 64, 56, 56] as const;
const CHANNELS = SHAPE[1];

export async function calibrationCases(): Promise<BenchCase[]> {
  const wasm = wasmKernels();
  const x = randn([...SHAPE]);
  const values = x.elements() as Float32Array;
  const count = values.length;
  const whole = { outer: 1, channels: 1, inner: count };
  const perChannel = { outer: SHAPE[0], channels: CHANNELS, inner: SHAPE[2] * SHAPE[3] };
  const qparams = {
    scales: Float32Array.of(0.03),
    zeroPoints: Float64Array.of(128),
    floatZeroPoints: false,
    qmin: 0,
    qmax: 255,
  };
  const [bytes, otherBytes, floats, inside] = [
    new Uint8Array(count),
    randomBytes(count, 1),
    new Float32Array(count),
    new Uint8Array(count),
  ];
  const range = [new Float32Array(CHANNELS), new Float32Array(CHANNELS)] as const;
  const grid = { zeroPoint: 128, qmin: 0, qmax: 255 };
  const scale = Math.fround(0.03);
  const offset = Math.fround(scale * -128);
  const sum = { kind: "float", aScale: scale, aOffset: offset, bScale: scale, bOffset: offset } as const;
  const addForm = { ...sum, inverseOutScale: 20, ...grid };
  const mulForm = { aZeroPoint: 128, bZeroPoint: 128, multiplier: scale, ...grid };
  const table = randomBytes(256, 2);
  const both = (name: string, run: (kernels: Kernels) => void): BenchCase => ({
    group: "calibration",
    name: `${name}, ${SHAPE.join("×")}`,
    contestants: [
      { who: octetName(), run: () => run(wasm) },
      { who: "octet (reference kernels)", run: () => run(referenceKernels) },
    ],
  });
  const observer = new quantization.HistogramObserver();
  return [
    both("minMax", (k) => k.minMax(values, whole, ...range)),
    both("minMax per channel", (k) => k.minMax(values, perChannel, ...range)),
    both("histogram of 2048 bins", (k) => k.histogram(values, -6, 6, new Float32Array(2048))),
    both("quantize", (k) => k.quantize(values, whole, qparams, bytes)),
    both("dequantize", (k) => k.dequantize(otherBytes, whole, qparams, floats)),
    both("fakeQuantize", (k) => k.fakeQuantize(values, whole, qparams, floats, inside)),
    both("lookup", (k) => k.lookup(otherBytes, table, bytes)),
    both("addIntegers", (k) => k.addIntegers(otherBytes, otherBytes, addForm, bytes)),
    both("mulIntegers", (k) => k.mulIntegers(otherBytes, otherBytes, mulForm, bytes)),
    {
      group: "calibration",
      name: `HistogramObserver, ${SHAPE.join("×")}`,
      contestants: [{ who: octetName(), run: () => void observer(x) }],
    },
  ];
}
