/**
 * Activation functions and their gradients as functions of one number. A gradient takes g, the gradient of the function's
 * result, then the function's input x (or its output y, where that is cheaper). What happens on a boundary, and where x is
 * NaN, is PyTorch's choice in each case.
 */
import { erf, sigmoid } from "./special-functions.ts";

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
/** √(2/π), the slope inside the tanh form of GELU. */
const GELU_SLOPE = 0.7978845608028654;
const GELU_CUBIC = 0.044715;
/** 1/√(2π), the height of the normal density. */
const NORMAL_DENSITY = 0.3989422804014327;

export function clamp(x: number, min: number, max: number): number {
  return Math.min(Math.max(x, min), max); // a NaN on any side stays; max wins over min
}

/** 1 − y² without cancellation for y near ±1: the slope of tanh at the point where it is y. */
function oneMinusSquare(y: number): number {
  return (1 - y) * (1 + y);
}

// ---------------------------------------------------------------- functions

export function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/** log(1 + exp(beta · x)) / beta; the identity where beta · x exceeds the threshold. */
export function softplus(x: number, beta: number, threshold: number): number {
  return x * beta > threshold ? x : Math.log1p(Math.exp(x * beta)) / beta;
}

export function softsign(x: number): number {
  return x / (1 + Math.abs(x));
}

export function relu(x: number): number {
  return x <= 0 ? 0 : x;
}

export function hardsigmoid(x: number): number {
  return clamp(x + 3, 0, 6) / 6;
}

export function hardswish(x: number): number {
  return (x * clamp(x + 3, 0, 6)) / 6;
}

export function elu(x: number, alpha: number): number {
  return x <= 0 ? alpha * Math.expm1(x) : x;
}

export function celu(x: number, alpha: number): number {
  return x <= 0 ? alpha * Math.expm1(x / alpha) : x;
}

export function selu(x: number): number {
  return SELU_SCALE * elu(x, SELU_ALPHA);
}

export function gelu(x: number): number {
  return x * 0.5 * (1 + erf(x * Math.SQRT1_2));
}

export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(GELU_SLOPE * (x + GELU_CUBIC * x * x * x)));
}

export function silu(x: number): number {
  return x * sigmoid(x);
}

export function mish(x: number): number {
  return x * Math.tanh(Math.log1p(Math.exp(x)));
}

export function leakyRelu(x: number, slope: number): number {
  return x > 0 ? x : x * slope;
}

export function threshold(x: number, limit: number, value: number): number {
  return x <= limit ? value : x;
}

export function hardshrink(x: number, lambda: number): number {
  return x >= -lambda && x <= lambda ? 0 : x;
}

export function softshrink(x: number, lambda: number): number {
  return x > lambda ? x - lambda : x < -lambda ? x + lambda : x * 0;
}

export function tanhshrink(x: number): number {
  return x - Math.tanh(x);
}

// ---------------------------------------------------------------- gradients by the output y

export function reluGrad(g: number, y: number): number {
  return y <= 0 ? 0 : g;
}

export function sigmoidGrad(g: number, y: number): number {
  return g * (1 - y) * y;
}

export function tanhGrad(g: number, y: number): number {
  return g * oneMinusSquare(y);
}

// ---------------------------------------------------------------- gradients by the input x

/** The limits themselves belong to the flat part. */
export function hardtanhGrad(g: number, x: number, min: number, max: number): number {
  return x <= min || x >= max ? 0 : g;
}

/** The limits themselves belong to the sloped part. */
export function clampGrad(g: number, x: number, min: number, max: number): number {
  return x >= min && x <= max ? g : 0;
}

/** PyTorch rounds the slope to single precision, for doubles too. */
const SIXTH = Math.fround(1 / 6);

export function hardsigmoidGrad(g: number, x: number): number {
  return x > -3 && x < 3 ? g * SIXTH : 0;
}

export function hardswishGrad(g: number, x: number): number {
  return x < -3 ? 0 : x <= 3 ? g * (x / 3 + 0.5) : g;
}

export function eluGrad(g: number, x: number, alpha: number): number {
  return x <= 0 ? g * alpha * Math.exp(x) : g;
}

/** PyTorch rounds alpha to single precision where it divides by it, for doubles too. */
export function celuGrad(g: number, x: number, alpha: number): number {
  const inner = 1 / Math.fround(alpha);
  return x <= 0 ? g * alpha * inner * Math.exp(x * inner) : g;
}

export function seluGrad(g: number, x: number): number {
  return SELU_SCALE * eluGrad(g, x, SELU_ALPHA);
}

export function geluGrad(g: number, x: number): number {
  const below = 0.5 * (1 + erf(x * Math.SQRT1_2));
  return g * (below + x * NORMAL_DENSITY * Math.exp(-0.5 * x * x));
}

export function geluTanhGrad(g: number, x: number): number {
  const square = x * x;
  const t = Math.tanh(GELU_SLOPE * (x + GELU_CUBIC * square * x));
  const slope = GELU_SLOPE * (1 + 3 * GELU_CUBIC * square);
  return g * (0.5 * (1 + t) + 0.5 * x * oneMinusSquare(t) * slope);
}

export function siluGrad(g: number, x: number): number {
  const s = sigmoid(x);
  return g * s * (1 + x * (1 - s));
}

export function mishGrad(g: number, x: number): number {
  const t = Math.tanh(Math.log1p(Math.exp(x)));
  return g * (t + x * sigmoid(x) * oneMinusSquare(t));
}

export function leakyReluGrad(g: number, x: number, slope: number): number {
  return x > 0 ? g : g * slope;
}

export function thresholdGrad(g: number, x: number, limit: number): number {
  return x <= limit ? 0 : g;
}

export function logSigmoidGrad(g: number, x: number): number {
  return g * sigmoid(-x);
}

export function softplusGrad(g: number, x: number, beta: number, threshold: number): number {
  return x * beta > threshold ? g : g * sigmoid(x * beta);
}

/** Of hardshrink and softshrink alike. */
export function shrinkGrad(g: number, x: number, lambda: number): number {
  return x >= -lambda && x <= lambda ? 0 : g;
}
