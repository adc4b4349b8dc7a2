/** Special functions that JavaScript's Math lacks or gets wrong at the edges; each takes and returns doubles. */

/** Sum of coefficients[i] · x^(n−1−i), highest power first (Horner's rule). */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = 0; i < coefficients.length; i++) sum = sum * x + coefficients[i];
  return sum;
}

/*
 * Rational approximations from W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
 * Computation 23 (1969). Numerators and denominators, highest power first, for
 *   |x| ≤ 0.46875        erf(x)  = x · SMALL(x²)
 *   0.46875 < |x| ≤ 4    erfc(x) = exp(−x²) · MIDDLE(x)
 *   4 < |x|              erfc(x) = exp(−x²) / x · (1/√π − x⁻² · LARGE(x⁻²))
 */
const SMALL_OVER = [
  1.8577770618460315e-1, 3.1611237438705655, 1.1386415415105016e2, 3.77485237685302e2, 3.2093775891384694e3,
];
const SMALL_UNDER = [1, 2.3601290952344122e1, 2.4402463793444417e2, 1.2826165260773723e3, 2.844236833439171e3];
const MIDDLE_OVER = [
  2.1531153547440383e-8, 5.641884969886701e-1, 8.883149794388377, 6.611919063714163e1, 2.986351381974001e2,
  8.81952221241769e2, 1.7120476126340707e3, 2.0510783778260716e3, 1.2303393547979972e3,
];
const MIDDLE_UNDER = [
  1, 1.5744926110709835e1, 1.176939508913125e2, 5.371811018620099e2, 1.6213895745666903e3, 3.2907992357334597e3,
  4.362619090143247e3, 3.4393676741437216e3, 1.2303393548037495e3,
];
const LARGE_OVER = [
  1.6315387137302097e-2, 3.0532663496123236e-1, 3.6034489994980445e-1, 1.2578172611122926e-1, 1.6083785148742275e-2,
  6.587491615298378e-4,
];
const LARGE_UNDER = [
  1, 2.568520192289822, 1.8729528499234673, 5.279051029514285e-1, 6.051834131244132e-2, 2.3352049762686918e-3,
];
const INVERSE_SQRT_PI = 0.5641895835477563;

/** The error function 2/√π ∫₀ˣ exp(−t²) dt, to within a few units in the last place of a double. */
export function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude <= 0.46875) {
    const square = x * x;
    return (x * polynomial(SMALL_OVER, square)) / polynomial(SMALL_UNDER, square);
  }
  if (magnitude > 6) return Math.sign(x); // erfc is below half a unit in the last place of 1
  if (!(magnitude <= 6)) return NaN;
  const complement = Math.exp(-x * x) * (magnitude <= 4 ? middle(magnitude) : large(magnitude));
  return x > 0 ? 1 - complement : complement - 1;
}

function middle(x: number): number {
  return polynomial(MIDDLE_OVER, x) / polynomial(MIDDLE_UNDER, x);
}

function large(x: number): number {
  const z = 1 / (x * x);
  return (INVERSE_SQRT_PI - (z * polynomial(LARGE_OVER, z)) / polynomial(LARGE_UNDER, z)) / x;
}

/** 1 / (1 + exp(−x)), without overflow on either side. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** C's pow: 1 to any power is 1, also NaN; ±1 to an infinite power is 1. JavaScript gives NaN for both. */
export function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Infinity)) return 1;
  return base ** exponent;
}

/**
 * A power with one fixed exponent. As PyTorch's `pow(tensor, number)`, it takes the square root or the products that the
 * simplest exponents stand for, which shows at −Infinity and −0.
 */
export function powerOfFixed(base: number, exponent: number): number {
  switch (exponent) {
    case 0.5:
      return Math.sqrt(base);
    case -0.5:
      return 1 / Math.sqrt(base);
    case 2:
      return base * base;
    case 3:
      return base * base * base;
    case -1:
      return 1 / base;
    case -2:
      return 1 / (base * base);
    default:
      return power(base, exponent);
  }
}

/** base^exponent modulo 2^32, as integer tensors wrap; a negative exponent truncates the fraction to 0 (unless base is ±1). */
export function integerPower(base: number, exponent: number): number {
  if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 === 0 ? 1 : -1) : 0;
  let result = 1;
  let factor = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = Math.imul(result, factor);
    factor = Math.imul(factor, factor);
  }
  return result;
}

/** a − b · ⌊a / b⌋, exact: takes the sign of b. */
export function remainder(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && b < 0 !== rest < 0 ? rest + b : rest;
}

/** ⌊a / b⌋ by way of the exact remainder, so that rounding of a / b never crosses a whole number (as Python divides). */
export function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const rest = a % b;
  let quotient = (a - rest) / b;
  if (rest !== 0 && b < 0 !== rest < 0) quotient -= 1;
  if (quotient === 0) return (a / b) * 0; // keeps the sign
  const whole = Math.floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

type Bitwise = (a: number, b: number) => number;

/**
 * Applies a 32-bit operator to whole numbers of up to 54 bits: int64 lives in doubles, and JavaScript's own operators
 * drop everything above 32 bits. The high half keeps the sign, as two's complement does.
 */
export function wideBitwise(operator: Bitwise, a: number, b: number): number {
  if ((a | 0) === a && (b | 0) === b) return operator(a, b);
  const highA = Math.floor(a / 4294967296);
  const highB = Math.floor(b / 4294967296);
  const low = operator(a - highA * 4294967296, b - highB * 4294967296) >>> 0;
  return operator(highA, highB) * 4294967296 + low;
}
