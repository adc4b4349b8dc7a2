/**
 * Loops over planes of [n, channels, inner] arrays: a plane is `inner` consecutive floats of one channel. Each function
 * takes `planes` consecutive planes, and per-plane coefficients (floats) or results (doubles) from arrays beside them.
 * Sums are made in doubles, two lanes wide.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32, f64, f64x2, i32, v128 } from "../instructions.ts";
import type { MultiplyAdd, Value } from "../instructions.ts";

export function emitChannels(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  emitMoments(module);
  emitGradSums(module);
  emitAffine(module, multiplyAdd);
  emitCombine(module, multiplyAdd);
}

/** planeMoments: result = (mean, Σ (x − mean)²) of each plane. */
function emitMoments(module: ModuleBuilder): void {
  module.func("planeMoments", { x: "i32", planes: "i32", inner: "i32", result: "i32" }, (f, p) => {
    const sums = new DoubleSum(f);
    const squares = new DoubleSum(f);
    const start = f.local("i32");
    const mean = f.local("f64");
    const center = f.local("v128");
    f.repeat(p.planes, () => {
      f.set(start, p.x);
      sums.reset();
      eachFloat4(
        f,
        p.inner,
        [p.x],
        (address) => sums.add(v128.load(address[0])),
        (address) => sums.addOne(f32.load(address[0])),
      );
      f.set(mean, f64.div(sums.total(), f64.convertU(p.inner)));
      f.set(center, f64x2.splat(mean));
      squares.reset();
      f.set(p.x, start);
      const square = (half: Value<"v128">): Value<"v128"> => {
        const distance = f.local("v128", f64x2.sub(half, center));
        return f64x2.mul(distance, distance);
      };
      eachFloat4(
        f,
        p.inner,
        [p.x],
        (address) => squares.add(v128.load(address[0]), square),
        (address) => {
          const distance = f.local("f64", f64.sub(f64.promote(f32.load(address[0])), mean));
          squares.addDouble(f64.mul(distance, distance));
        },
      );
      f.run(f64.store(p.result, mean));
      f.run(f64.store(p.result, squares.total(), 8));
      f.increase(p.result, 16);
    });
  });
}

/** planeGradSums: result = (Σ g, Σ g · (x − mean)) of each plane. */
function emitGradSums(module: ModuleBuilder): void {
  const types = { x: "i32", g: "i32", planes: "i32", inner: "i32", means: "i32", result: "i32" } as const;
  module.func("planeGradSums", types, (f, p) => {
    const plain = new DoubleSum(f);
    const weighted = new DoubleSum(f);
    const mean = f.local("f64");
    const center = f.local("v128");
    const gradients = f.local("v128");
    f.repeat(p.planes, () => {
      f.set(mean, f64.promote(f32.load(p.means)));
      f.set(center, f64x2.splat(mean));
      plain.reset();
      weighted.reset();
      eachFloat4(
        f,
        p.inner,
        [p.x, p.g],
        ([x, g]) => {
          f.set(gradients, v128.load(g));
          plain.add(gradients);
          weighted.add(v128.load(x), (half, isHigh) => f64x2.mul(f64x2.sub(half, center), halfOf(gradients, isHigh)));
        },
        ([x, g]) => {
          const gradient = f.local("f64", f64.promote(f32.load(g)));
          plain.addDouble(gradient);
          weighted.addDouble(f64.mul(gradient, f64.sub(f64.promote(f32.load(x)), mean)));
        },
      );
      f.run(f64.store(p.result, plain.total()));
      f.run(f64.store(p.result, weighted.total(), 8));
      f.increase(p.result, 16);
      f.increase(p.means, 4);
    });
  });
}

/** planeAffine: out = x · scale + shift; `coefficients` holds (scale, shift) of each plane. `out` may be `x`. */
function emitAffine(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  const types = { x: "i32", out: "i32", planes: "i32", inner: "i32", coefficients: "i32" } as const;
  module.func("planeAffine", types, (f, p) => {
    const [scale, shift] = [f.local("v128"), f.local("v128")];
    f.repeat(p.planes, () => {
      f.set(scale, v128.loadSplat32(p.coefficients));
      f.set(shift, v128.loadSplat32(p.coefficients, 4));
      const value = (x: Value<"v128">): Value<"v128"> => multiplyAdd(x, scale, shift);
      eachFloat4(
        f,
        p.inner,
        [p.x, p.out],
        ([x, out]) => f.run(v128.store(out, value(v128.load(x)))),
        ([x, out]) => f.run(v128.store32Lane(0, out, value(v128.load32Zero(x)))),
      );
      f.increase(p.coefficients, 8);
    });
  });
}

/** planeCombine: out = a · g + b · x + d; `coefficients` holds (a, b, d) of each plane. `out` may be `x` or `g`. */
function emitCombine(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  const types = { x: "i32", g: "i32", out: "i32", planes: "i32", inner: "i32", coefficients: "i32" } as const;
  module.func("planeCombine", types, (f, p) => {
    const [a, b, d] = [f.local("v128"), f.local("v128"), f.local("v128")];
    f.repeat(p.planes, () => {
      [a, b, d].forEach((coefficient, index) => f.set(coefficient, v128.loadSplat32(p.coefficients, 4 * index)));
      const value = (x: Value<"v128">, g: Value<"v128">): Value<"v128"> => multiplyAdd(a, g, multiplyAdd(b, x, d));
      eachFloat4(
        f,
        p.inner,
        [p.x, p.g, p.out],
        ([x, g, out]) => f.run(v128.store(out, value(v128.load(x), v128.load(g)))),
        ([x, g, out]) => f.run(v128.store32Lane(0, out, value(v128.load32Zero(x), v128.load32Zero(g)))),
      );
      f.increase(p.coefficients, 12);
    });
  });
}

/** Walks several arrays of `count` floats together: four at a time, then one at a time. Leaves the pointers at the end. */
export function eachFloat4(
  f: FunctionBuilder,
  count: Value<"i32">,
  pointers: readonly Local<"i32">[],
  four: (addresses: readonly Local<"i32">[]) => void,
  one: (addresses: readonly Local<"i32">[]) => void,
): void {
  const i = f.local("i32", i32.shrU(count, 2));
  f.repeat(i, () => {
    four(pointers);
    for (const pointer of pointers) f.increase(pointer, 16);
  });
  f.set(i, i32.and(count, 3));
  f.repeat(i, () => {
    one(pointers);
    for (const pointer of pointers) f.increase(pointer, 4);
  });
}

/** Lanes 0 and 1, or 2 and 3, of four floats as doubles. */
function halfOf(floats: Value<"v128">, isHigh: boolean): Value<"v128"> {
  return f64x2.promoteLow(isHigh ? v128.shuffle32(floats, floats, [2, 3, 2, 3]) : floats);
}

/** A sum in doubles: two pairs of lanes, and one scalar for what does not fill four floats. */
class DoubleSum {
  readonly #f: FunctionBuilder;
  readonly #low: Local<"v128">;
  readonly #high: Local<"v128">;
  readonly #rest: Local<"f64">;

  constructor(f: FunctionBuilder) {
    this.#f = f;
    this.#low = f.local("v128");
    this.#high = f.local("v128");
    this.#rest = f.local("f64");
  }

  reset(): void {
    this.#f.set(this.#low, f64x2.zero());
    this.#f.set(this.#high, f64x2.zero());
    this.#f.set(this.#rest, f64.constantZero());
  }

  /** Adds four floats, each half mapped. */
  add(floats: Value<"v128">, map: (half: Value<"v128">, isHigh: boolean) => Value<"v128"> = (half) => half): void {
    const four = this.#f.local("v128", floats);
    this.#f.set(this.#low, f64x2.add(this.#low, map(halfOf(four, false), false)));
    this.#f.set(this.#high, f64x2.add(this.#high, map(halfOf(four, true), true)));
  }

  addOne(float: Value<"f32">): void {
    this.addDouble(f64.promote(float));
  }

  addDouble(value: Value<"f64">): void {
    this.#f.set(this.#rest, f64.add(this.#rest, value));
  }

  total(): Value<"f64"> {
    const pairs = this.#f.local("v128", f64x2.add(this.#low, this.#high));
    return f64.add(this.#rest, f64.add(f64x2.extractLane(0, pairs), f64x2.extractLane(1, pairs)));
  }
}
