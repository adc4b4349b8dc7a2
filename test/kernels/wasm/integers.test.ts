/** Lookup, sums and products of bytes of the wasm kernels: the reference's results, bit for bit. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { qint8, quint8 } from "../../../src/core/dtype.ts";
import type { DType } from "../../../src/core/dtype.ts";
import type { PerTensorQuantizer } from "../../../src/core/qparams.ts";
import { perTensorAffine } from "../../../src/core/qparams.ts";
import { addForm, mulForm } from "../../../src/core/quantized-binary.ts";
import type { AddForm, MulForm } from "../../../src/core/quantized-binary.ts";
import type { ByteArray } from "../../../src/kernels/quantized-kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { firstDifference, randomBytes, SPREADS } from "./bytes.ts";
import { engines } from "./engines.ts";

const scale = fc.oneof(fc.double({ min: 1e-4, max: 10, noNaN: true }), fc.constantFrom(2 ** -7, 0.5, 1, 3, 1e-6));
const unsignedZero = fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 128));

interface Case {
  readonly dtype: DType;
  readonly grids: readonly [PerTensorQuantizer, PerTensorQuantizer, PerTensorQuantizer];
  readonly relu: boolean;
  readonly length: number;
  readonly seed: number;
}

const cases = fc
  .record({
    signed: fc.boolean(),
    scales: fc.tuple(scale, scale, scale),
    zeros: fc.tuple(unsignedZero, unsignedZero, unsignedZero),
    relu: fc.boolean(),
    length: fc.oneof(fc.integer({ min: 250, max: 2000 }), fc.constantFrom(16383, 16384, 16385, 40001)),
    seed: fc.nat(10000),
  })
  .map(({ signed, scales, zeros, ...rest }): Case => {
    const grid = (i: number): PerTensorQuantizer => ({
      qscheme: perTensorAffine,
      scale: scales[i],
      zeroPoint: signed ? zeros[i] - 128 : zeros[i],
    });
    return { dtype: signed ? qint8 : quint8, grids: [grid(0), grid(1), grid(2)], ...rest };
  });

type Binary<Form> = (a: ByteArray, b: ByteArray, form: Form, out: ByteArray) => void;

function checkBinary<Form>(c: Case, form: Form, actualKernel: Binary<Form>, expectedKernel: Binary<Form>): void {
  const signed = c.dtype === qint8;
  const a = randomBytes(c.length, c.seed, signed, SPREADS[c.seed % 4]);
  const b = randomBytes(c.length, c.seed + 1, signed, SPREADS[(c.seed >> 2) % 4]);
  const empty = (): ByteArray => (signed ? new Int8Array(c.length) : new Uint8Array(c.length));
  const [actual, expected] = [empty(), empty()];
  actualKernel(a, b, form, actual);
  expectedKernel(a, b, form, expected);
  expect(firstDifference(actual, expected)).toBeNull();
  actualKernel(a, b, form, a); // in place
  expect(firstDifference(a, expected)).toBeNull();
}

describe.each(engines)("wasm arithmetic of bytes, %s", (_, engine) => {
  const kernels = kernelsOf(engine);

  it("looks bytes up as the reference does", () => {
    const check = (length: number, signed: boolean, signedOut: boolean, seed: number): void => {
      const x = randomBytes(length, seed, signed, "any");
      const table = randomBytes(256, seed + 1, signedOut, "any");
      const out = randomBytes(length, 0, signedOut, "smallest");
      const expected = out.slice();
      kernels.lookup(x, table, out);
      referenceKernels.lookup(x, table, expected);
      expect(firstDifference(out, expected)).toBeNull();
    };
    const length = fc.oneof(fc.integer({ min: 200, max: 600 }), fc.constantFrom(16385, 50000));
    fc.assert(fc.property(length, fc.boolean(), fc.boolean(), fc.nat(1000), check));
  });

  it.each(["onednn", "qnnpack"] as const)("adds as the reference does, %s", (name) => {
    const check = (c: Case): void => {
      const [a, b, out] = c.grids;
      const form: AddForm = addForm(name, c.dtype, a, b, out, c.relu, true);
      checkBinary(c, form, kernels.addIntegers, referenceKernels.addIntegers);
    };
    fc.assert(fc.property(cases, check));
  });

  it("multiplies as the reference does", () => {
    const check = (c: Case): void => {
      const [a, b, out] = c.grids;
      const form: MulForm = mulForm(c.dtype, a, b, out, c.relu);
      checkBinary(c, form, kernels.mulIntegers, referenceKernels.mulIntegers);
    };
    fc.assert(fc.property(cases, check));
  });

  it("leaves numbers without finite results to the reference", () => {
    const grid = { zeroPoint: 3, qmin: 0, qmax: 255 };
    const a = randomBytes(300, 1, false, "any");
    const form = {
      ...grid,
      kind: "float",
      aScale: 1e38,
      aOffset: -Infinity,
      bScale: 1,
      bOffset: 0,
      inverseOutScale: Infinity,
    } as const;
    const [actual, expected] = [new Uint8Array(300), new Uint8Array(300)];
    kernels.addIntegers(a, a, form, actual);
    referenceKernels.addIntegers(a, a, form, expected);
    expect(firstDifference(actual, expected)).toBeNull();
    const product = { ...grid, aZeroPoint: 0, bZeroPoint: 0, multiplier: Infinity };
    kernels.mulIntegers(a, a, product, actual);
    referenceKernels.mulIntegers(a, a, product, expected);
    expect(firstDifference(actual, expected)).toBeNull();
  });
});
