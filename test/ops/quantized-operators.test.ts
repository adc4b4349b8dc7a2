/** What golden data cannot say about `ops.quantized`: properties on any input, and what is refused. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float64, int32, qint32, qint8, quint8 } from "../../src/core/dtype.ts";
import type { DType } from "../../src/core/dtype.ts";
import { withEngine } from "../../src/core/engine.ts";
import type { Engine } from "../../src/core/engine.ts";
import { perTensorQuantizer } from "../../src/core/qparams.ts";
import { ops, tensor, zeros } from "../../src/index.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { withInterpreter } from "../../src/ops/op.ts";
import {
  dequantize,
  fromIntegers,
  intRepr,
  qScale,
  qZeroPoint,
  quantizePerChannel,
  quantizePerTensor,
} from "../../src/ops/quantize.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const q = ops.quantized;
const engines: readonly Engine[] = ["x86", "fbgemm", "onednn", "qnnpack"];

/** A quantized tensor of given integers. */
function integers(
  values: readonly number[],
  shape: readonly number[],
  dtype: DType,
  scale: number,
  zeroPoint: number,
): Tensor {
  const data = dtype.allocate(values.length);
  data.set(values);
  return fromIntegers(data, shape, dtype, perTensorQuantizer("test", scale, zeroPoint, dtype));
}

const scales = fc.double({ min: 1e-3, max: 10, noNaN: true });
const dtypes = fc.constantFrom(quint8, qint8);
const grids = fc.record({ dtype: dtypes, scale: scales, position: fc.nat(255) }).map(({ dtype, scale, position }) => ({
  dtype,
  scale,
  zeroPoint: dtype.min + position,
}));

describe("grids", () => {
  it("represent zero exactly", () => {
    fc.assert(
      fc.property(grids, ({ dtype, scale, zeroPoint }) => {
        const zero = quantizePerTensor(zeros(3), scale, zeroPoint, dtype);
        expect(intRepr(zero).tolist()).toEqual([zeroPoint, zeroPoint, zeroPoint]);
        expect(dequantize(zero).tolist()).toEqual([0, 0, 0]);
      }),
    );
  });

  it("keep every integer through dequantize and quantize", () => {
    fc.assert(
      fc.property(grids, ({ dtype, scale, zeroPoint }) => {
        const all = Array.from({ length: 256 }, (_, i) => dtype.min + i);
        const x = integers(all, [256], dtype, scale, zeroPoint);
        expect(intRepr(x).tolist()).toEqual(all);
        expect(intRepr(quantizePerTensor(dequantize(x), scale, zeroPoint, dtype)).tolist()).toEqual(all);
      }),
    );
  });
});

describe("arithmetic", () => {
  it("adds zero and multiplies by one without changing an integer", () => {
    fc.assert(
      fc.property(grids, fc.constantFrom(...engines), ({ dtype, scale, zeroPoint }, engine) => {
        const all = Array.from({ length: 256 }, (_, i) => dtype.min + i);
        const x = integers(all, [256], dtype, scale, zeroPoint);
        const zero = integers(new Array<number>(256).fill(zeroPoint), [256], dtype, scale, zeroPoint);
        const one = integers([dtype.min + 1], [1], dtype, 1, dtype.min);
        withEngine(engine, () => {
          expect(intRepr(q.add(x, zero, scale, zeroPoint)).tolist()).toEqual(all);
          expect(intRepr(q.mul(x, one, scale, zeroPoint)).tolist()).toEqual(all);
        });
      }),
    );
  });

  it("does not depend on the order of the operands", () => {
    const bytes = fc.array(fc.nat(255), { minLength: 24, maxLength: 24 });
    fc.assert(
      fc.property(
        bytes,
        bytes,
        scales,
        scales,
        scales,
        fc.constantFrom(...engines),
        (left, right, sa, sb, so, engine) => {
          const a = integers(left, [2, 3, 4], quint8, sa, 7);
          const b = integers(right.slice(0, 4), [4], quint8, sb, 250);
          withEngine(engine, () => {
            for (const op of [q.add, q.mul, q.addRelu, q.mulRelu]) {
              expect(intRepr(op(a, b, so, 99)).tolist()).toEqual(intRepr(op(b, a, so, 99)).tolist());
            }
          });
        },
      ),
    );
  });

  it("takes a number on either side", () => {
    const x = integers([3, 200], [2], quint8, 0.5, 10);
    for (const sum of [q.add(x, 2), q.add(2, x), q.addScalar(x, 2), q.addScalar(x, tensor([2]))]) {
      expect(dequantize(sum).tolist()).toEqual([-1.5, 97]);
      expect([qScale(sum), qZeroPoint(sum)]).toEqual([0.5, 6]);
    }
    expect(dequantize(q.mul(-2, x)).tolist()).toEqual([7, -190]);
    expect(dequantize(q.mulRelu(x, -2)).tolist()).toEqual([7, 0]);
  });

  it("is seen by a tracer under the name of its library", () => {
    const seen: string[] = [];
    const x = integers([3, 200], [2], quint8, 0.5, 10);
    const record = {
      call: ({ op }: AnyOp, _: readonly unknown[], next: () => unknown) => (seen.push(op.name), next()),
    };
    withInterpreter(record, () => q.addRelu(q.add(x, x, 1, 0), x, 1, 0));
    expect(seen).toEqual(["quantized.add", "quantized.addRelu"]);
  });

  it("refuses what PyTorch refuses, in its words", () => {
    const a = integers([1, 2, 3, 4], [2, 2], quint8, 1, 0);
    const signed = integers([1, 2, 3, 4], [2, 2], qint8, 1, 0);
    const perChannel = quantizePerChannel(zeros(2, 2), tensor([1, 1]), tensor([0, 0], { dtype: int32 }), 0, quint8);
    expect(() => q.add(a, signed, 1, 0)).toThrow("Add operands should have same data type.");
    expect(() => q.mul(a, signed, 1, 0)).toThrow("Mul operands should have same data type.");
    expect(() => q.matmul(a, signed, 1, 0)).toThrow("MatMul operands should have same data type.");
    expect(() => q.add(perChannel, perChannel, 1, 0)).toThrow("Only per tensor quantization is supported in Add.");
    expect(() => q.mul(a, perChannel, 1, 0)).toThrow("Only per tensor quantization is supported in Mul.");
    expect(() => q.cat([a, signed], 0)).toThrow("All dtypes must be the same.");
    expect(() => q.cat([a, perChannel], 0)).toThrow("Only per-tensor quantization is supported in 'cat'!");
    expect(() => q.cat([], 0)).toThrow("non-empty list");
    expect(() => q.add(a, zeros(2, 2), 1, 0)).toThrow(
      "Could not run 'quantized::add' with arguments from the 'CPU' backend",
    );
    expect(() => q.mulScalar(zeros(2, 2), 2)).toThrow("Could not run 'quantized::mul_scalar'");
    expect(() => q.add(a, integers([1, 2, 3], [3], quint8, 1, 0), 1, 0)).toThrow("quantized::add");
    expect(() => q.add(a, a, 1, 256)).toThrow("zero_point 256 is above upper bound");
  });
});

describe("linear and convolution", () => {
  const weight = integers(new Array<number>(12).fill(1), [4, 3], qint8, 0.1, 0);
  const kernel = integers(new Array<number>(24).fill(1), [2, 3, 2, 2], qint8, 0.1, 0);
  const image = integers(new Array<number>(27).fill(9), [1, 3, 3, 3], quint8, 0.1, 3);

  it("refuse operands that do not fit", () => {
    const packed = q.linearPrepack(weight, zeros(4));
    const conv = q.conv2dPrepack(kernel, null, { padding: 1 });
    const wide = integers(new Array<number>(36).fill(9), [1, 4, 3, 3], quint8, 0.1, 3);
    expect(() => q.linear(zeros(2, 3), packed, 1, 0)).toThrow("Could not run 'quantized::linear'");
    expect(() => q.conv2d(zeros(1, 3, 3, 3), conv, 1, 0)).toThrow("Could not run 'quantized::conv2d.new'");
    expect(() => q.linearDynamic(integers([1, 2, 3], [1, 3], quint8, 1, 0), packed)).toThrow("float32");
    expect(() => q.conv2dDynamic(image, conv)).toThrow("float32");
    expect(() => q.linear(integers([1, 2], [1, 2], quint8, 1, 0), packed, 1, 0)).toThrow("expects 3 input features");
    expect(() => q.conv2d(wide, conv, 1, 0)).toThrow("expects 3 input channels, input has 4");
    expect(() => q.conv1d(image, conv, 1, 0)).toThrow("packed for a 2d convolution");
    expect(() => q.convTranspose2d(image, conv, 1, 0)).toThrow("packed for a 2d convolution");
    expect(() => q.linear(image, packed, 1, 300)).toThrow("zero_point 300 is above upper bound");
  });

  it("refuse weights and biases that cannot be packed", () => {
    const axis1 = quantizePerChannel(zeros(4, 3), tensor([1, 1, 1]), tensor([0, 0, 0], { dtype: int32 }), 1, qint8);
    const channels = quantizePerChannel(zeros(2, 3, 2, 2), tensor([1, 1]), tensor([0, 0], { dtype: int32 }), 0, qint8);
    expect(() => q.linearPrepack(zeros(4, 3), null)).toThrow("weight must be a quantized tensor, got float32");
    expect(() => q.linearPrepack(kernel, null)).toThrow("weight must have 2 dimensions");
    expect(() => q.linearPrepack(weight, zeros(3))).toThrow("bias should be a float32 vector of 4 elements");
    expect(() => q.linearPrepack(weight, zeros([4], { dtype: float64 }))).toThrow("got float64");
    expect(() => q.linearPrepack(axis1, null)).toThrow("along axis 0, got axis 1");
    expect(() => q.linearPrepack(integers([1], [1, 1], qint32, 1, 0), null)).toThrow("qint8 or quint8, got qint32");
    expect(() => q.conv2dPrepack(weight, null)).toThrow("weight must have 4 dimensions");
    expect(() => q.conv2dPrepack(kernel, null, { groups: 3 })).toThrow("groups 3 does not divide");
    expect(() => q.convTranspose2dPrepack(channels, null)).toThrow("per-channel weights are not supported");
  });

  it("need an engine to pack, in PyTorch's words, and keep the arithmetic of that engine", () => {
    expect(() => withEngine("none", () => q.linearPrepack(weight, null))).toThrow(
      "Didn't find engine for operation quantized::linear_prepack NoQEngine",
    );
    const [byQnnpack, byX86] = (["qnnpack", "x86"] as const).map((engine) =>
      withEngine(engine, () => q.linearPrepack(weight, tensor([0.014, 0.014, 0.014, 0.014]))),
    );
    const x = integers([3, 3, 3], [1, 3], quint8, 0.1, 3); // zeros: the result is the bias, rounded to 0.01 by qnnpack
    for (const engine of engines) {
      withEngine(engine, () => {
        expect(intRepr(q.linear(x, byQnnpack, 0.001, 0)).tolist()).toEqual([[10, 10, 10, 10]]);
        expect(intRepr(q.linear(x, byX86, 0.001, 0)).tolist()).toEqual([[14, 14, 14, 14]]);
      });
    }
  });

  it("give back what was packed", () => {
    const bias = zeros(4);
    const unpacked = q.linearUnpack(q.linearPrepack(weight, bias));
    expect(unpacked[0]).toBe(weight);
    expect(unpacked[1]).toBe(bias);
    expect(q.conv2dUnpack(q.conv2dPrepack(kernel))[0]).toBe(kernel);
    expect(q.convTranspose2dUnpack(q.convTranspose2dPrepack(kernel))[0]).toBe(kernel);
  });

  it("take empty batches", () => {
    const packed = q.linearPrepack(weight, null);
    expect(q.linear(integers([], [0, 3], quint8, 1, 0), packed, 1, 0).shape).toEqual([0, 4]);
    expect(q.linearDynamic(zeros(0, 3), packed).shape).toEqual([0, 4]);
  });
});

describe("embeddings", () => {
  const rows = quantizePerChannel(
    tensor([
      [1, 2],
      [3, 5],
    ]),
    tensor([0.5, 0.25]),
    tensor([0.5, 1.5]),
    0,
    quint8,
  );
  const packed = q.embeddingBagPrepack(rows);

  it("give back what was packed", () => {
    expect(q.embeddingBagUnpack(packed)).toBe(rows);
  });

  it("give zeros for empty bags and nothing for no indices", () => {
    const none = tensor([], { dtype: int32 });
    expect(q.embeddingBagByte(packed, none, tensor([0, 0], { dtype: int32 })).tolist()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(q.embeddingByte(packed, none).shape).toEqual([0, 2]);
  });

  it("refuse bad indices, weights and options", () => {
    const at = (...values: number[]) => tensor(values, { dtype: int32 });
    expect(() => q.embeddingByte(packed, at(2))).toThrow("index 2 is out of range for 2 rows");
    expect(() => q.embeddingByte(packed, at(-1))).toThrow("index -1 is out of range");
    expect(() => q.embeddingByte(packed, tensor([0.5]))).toThrow(
      "Expect 32 or 64 bit indices, but found float32 instead.",
    );
    expect(() => q.embedding4bit(packed, at(0))).toThrow("packed with 4 bits, got 8");
    expect(() => q.embeddingBagByte(packed, at(0))).toThrow(
      "embedding_bag_byte expects offsets to be set for 1D indices.",
    );
    expect(() => q.embeddingBagByte(packed, at(0), at(0), { perSampleWeights: zeros(2) })).toThrow(
      "must have 1 elements, got 2",
    );
    expect(() => q.embeddingBagPrepack(integers([1, 2], [1, 2], quint8, 1, 0))).toThrow(
      "Expect embedding_bag weights to be quantized using kPerChannelAffineFloatQParams",
    );
    expect(() => q.embeddingBag4bitPrepack(zeros(2, 3))).toThrow("number of columns a multiple of 2");
    expect(() => q.embeddingBag2bitPrepack(zeros(2, 6))).toThrow("number of columns a multiple of 4");
    expect(() => q.embeddingBagBytePrepack(zeros([2, 6], { dtype: float64 }))).toThrow(
      "only support float32 or float16",
    );
    expect(() => q.embeddingBagByteUnpack(zeros(2, 12))).toThrow("uint8");
  });
});
