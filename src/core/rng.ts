/**
 * Random numbers: PyTorch's CPU generator (mt19937) and its ways of making floats, normals and permutations from it, so
 * that a seed gives the numbers that PyTorch 2.6 gives on the CPU. (Builds of PyTorch with MKL draw `bernoulli_` of one
 * probability from another generator; those numbers differ.)
 */
import type { FloatArray } from "./dtype.ts";
import { OctetError } from "./errors.ts";

const STATE_SIZE = 624;
const SHIFT = 397;
const UPPER_BIT = 0x80000000;
const LOWER_BITS = 0x7fffffff;
const TWIST = 0x9908b0df;

/** All that a {@link Generator} is; a plain copy, which can be kept and restored. */
export interface GeneratorState {
  readonly seed: number;
  readonly words: readonly number[];
  readonly position: number;
  readonly nextNormal: number | null;
}

/** A stream of random numbers (`torch.Generator`). */
export class Generator {
  private readonly words = new Uint32Array(STATE_SIZE);
  private position = STATE_SIZE;
  private seedValue = 0;
  /** Normals come in pairs; the second one waits here. */
  private nextNormal: number | null = null;

  /** Seeded with `seed`, or differently every time. */
  constructor(seed: number = randomSeed()) {
    this.manualSeed(seed);
  }

  /** Starts the stream that belongs to `seed`. Only its lowest 32 bits matter, as in PyTorch. */
  manualSeed(seed: number): this {
    if (!Number.isSafeInteger(seed)) throw new OctetError(`manualSeed: the seed must be a whole number, got ${seed}`);
    const { words } = this;
    words[0] = seed % 2 ** 32; // typed-array stores wrap negative numbers
    for (let i = 1; i < STATE_SIZE; i++) {
      const previous = words[i - 1] ^ (words[i - 1] >>> 30);
      words[i] = Math.imul(1812433253, previous) + i;
    }
    this.position = STATE_SIZE;
    this.seedValue = seed;
    this.nextNormal = null;
    return this;
  }

  /** Seeds with a fresh random number, and returns that. */
  seed(): number {
    const seed = randomSeed();
    this.manualSeed(seed);
    return seed;
  }

  /** The number that the stream was started with. */
  initialSeed(): number {
    return this.seedValue;
  }

  getState(): GeneratorState {
    return {
      seed: this.seedValue,
      words: Array.from(this.words),
      position: this.position,
      nextNormal: this.nextNormal,
    };
  }

  setState(state: GeneratorState): this {
    if (state.words.length !== STATE_SIZE) throw new OctetError(`setState: expected ${STATE_SIZE} words of state`);
    this.words.set(state.words);
    this.position = state.position;
    this.seedValue = state.seed;
    this.nextNormal = state.nextNormal;
    return this;
  }

  /** 32 random bits, as a number in [0, 2^32). */
  random(): number {
    if (this.position === STATE_SIZE) this.twist();
    let y = this.words[this.position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  private twist(): void {
    const { words } = this;
    for (let i = 0; i < STATE_SIZE; i++) {
      const mixed = (words[i] & UPPER_BIT) | (words[(i + 1) % STATE_SIZE] & LOWER_BITS);
      words[i] = words[(i + SHIFT) % STATE_SIZE] ^ (mixed >>> 1) ^ (mixed & 1 ? TWIST : 0);
    }
    this.position = 0;
  }

  /** A multiple of 2^-24 in [0, 1): what float32 uniforms are made of. */
  uniform24(): number {
    return (this.random() & 0xffffff) * 2 ** -24;
  }

  /** A multiple of 2^-53 in [0, 1): what float64 uniforms are made of. */
  uniform53(): number {
    const high = this.random();
    return ((high & 0x1fffff) * 2 ** 32 + this.random()) * 2 ** -53;
  }

  /** A whole number in [0, range), range ≤ 2^53. */
  below(range: number): number {
    if (range < 2 ** 32) return this.random() % range;
    const high = BigInt(this.random());
    return Number(((high << 32n) | BigInt(this.random())) % BigInt(range));
  }

  /** A number from the standard normal distribution (Box–Muller in double precision; every second one is kept back). */
  normal(): number {
    const waiting = this.nextNormal;
    if (waiting !== null) {
      this.nextNormal = null;
      return waiting;
    }
    const theta = 2 * Math.PI * this.uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-this.uniform53()));
    this.nextNormal = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

let current = new Generator();

/** The generator that is used where none is given. */
export function defaultGenerator(): Generator {
  return current;
}

/** Seeds the default generator (`torch.manual_seed`) and returns it. */
export function manualSeed(seed: number): Generator {
  return current.manualSeed(seed);
}

/** Runs `body` with another default generator, and restores the old one; its stream does not move meanwhile. */
export function withGenerator<T>(generator: Generator, body: () => T): T {
  const previous = current;
  current = generator;
  try {
    return body();
  } finally {
    current = previous;
  }
}

/** Fills `out` with uniforms from [from, to), one after the other. */
export function fillUniform(out: FloatArray, generator: Generator, from = 0, to = 1): void {
  const width = to - from;
  const single = out instanceof Float32Array;
  for (let i = 0; i < out.length; i++) {
    out[i] = (single ? generator.uniform24() : generator.uniform53()) * width + from;
  }
}

/** Fills `out` with normals one after the other: PyTorch's way for fewer than 16 elements, and for strided tensors. */
export function fillNormalSerially(out: FloatArray, generator: Generator, mean = 0, std = 1): void {
  for (let i = 0; i < out.length; i++) out[i] = generator.normal() * std + mean;
}

const BLOCK = 16;

/**
 * Fills `out` with normals: from 16 elements on, uniforms are drawn for all of them and then turned into normals block by
 * block; a last part smaller than a block is made by drawing the last 16 elements anew.
 */
export function fillNormal(out: FloatArray, generator: Generator, mean = 0, std = 1): void {
  const n = out.length;
  if (n < BLOCK) {
    fillNormalSerially(out, generator, mean, std);
    return;
  }
  fillUniform(out, generator);
  for (let start = 0; start + BLOCK <= n; start += BLOCK) blockToNormals(out, start, mean, std);
  if (n % BLOCK === 0) return;
  const last = out.subarray(n - BLOCK);
  fillUniform(last, generator);
  blockToNormals(last, 0, mean, std);
}

/**
 * Box–Muller on 16 uniforms: element j gives the radius, element j + 8 the angle. Single precision rounds every step, as
 * PyTorch's vector code does; its polynomials for the functions themselves can still differ in the last bit.
 */
function blockToNormals(data: FloatArray, start: number, mean: number, std: number): void {
  const rounded = data instanceof Float32Array ? Math.fround : (x: number) => x;
  const twoPi = rounded(2 * Math.PI);
  for (let j = start; j < start + 8; j++) {
    const radius = rounded(Math.sqrt(rounded(-2 * rounded(Math.log(1 - data[j])))));
    const theta = rounded(twoPi * data[j + 8]);
    data[j] = rounded(radius * rounded(Math.cos(theta))) * std + mean;
    data[j + 8] = rounded(radius * rounded(Math.sin(theta))) * std + mean;
  }
}

/** Fills `out` with a random order of 0 … n − 1. */
export function fillPermutation(out: Float64Array | Int32Array, generator: Generator): void {
  const n = out.length;
  for (let i = 0; i < n; i++) out[i] = i;
  for (let i = 0; i < n - 1; i++) {
    const j = i + generator.below(n - i);
    const kept = out[i];
    out[i] = out[j];
    out[j] = kept;
  }
}
