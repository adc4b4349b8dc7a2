/** Checks gradient rules against finite differences (`torch.autograd.gradcheck`). */
import { float64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { contiguousStrides } from "../core/shape.ts";
import { stridedPositions } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { grad } from "./backward.ts";
import { noGrad } from "./grad-mode.ts";

export interface GradcheckOptions {
  /** How far an input element is moved to either side; default 1e-6. */
  readonly eps?: number;
  /** Absolute tolerance, default 1e-5. */
  readonly atol?: number;
  /** Relative tolerance, default 1e-3. */
  readonly rtol?: number;
  /** The operator's name, for messages; default "gradcheck". */
  readonly name?: string;
}

type Checked = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Compares ∂output/∂input as backward computes it with central differences, for every element of every output that
 * requires a gradient and of every input that does. Those inputs must be float64: float32 is too coarse for differences.
 * Throws at the first pair that disagrees, naming the elements and both values; returns true if there is none.
 */
export function gradcheck(fn: Checked, inputs: readonly Tensor[], options: GradcheckOptions = {}): true {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, name = "gradcheck" } = options;
  checkInputs(name, inputs);
  const outputs = asList(fn(...inputs));
  outputs.forEach((output, o) => {
    if (!output.requiresGrad) return;
    const analytical = analyticalRows(output, inputs);
    inputs.forEach((input, i) => {
      if (!input.requiresGrad) return;
      const numerical = (element: number): Float64Array => differences(fn, inputs, o, input, element, eps);
      compare(analytical[i], numerical, { output, input }, atol, rtol, `${name}: output ${o}, input ${i}`);
    });
  });
  return true;
}

function checkInputs(name: string, inputs: readonly Tensor[]): void {
  if (!inputs.some((input) => input.requiresGrad)) {
    throw new OctetError(`${name}: expects at least one input to require a gradient, but none of them does`);
  }
  inputs.forEach((input, i) => {
    if (!input.requiresGrad) return;
    if (input.dtype !== float64) {
      throw new OctetError(`${name}: input ${i} is ${input.dtype.name}; finite differences need float64`);
    }
    if (input.shape.some((size, d) => size > 1 && input.strides[d] === 0)) {
      throw new OctetError(`${name}: input ${i} has overlapping elements (stride 0); pass a contiguous copy`);
    }
  });
}

function asList(outputs: Tensor | readonly Tensor[]): readonly Tensor[] {
  return outputs instanceof Tensor ? [outputs] : outputs;
}

/** [input][output element] → gradient of that element by the input, null where the input plays no part. */
function analyticalRows(output: Tensor, inputs: readonly Tensor[]): (Float64Array | null)[][] {
  const differentiable = inputs.filter((input) => input.requiresGrad);
  const rows: (Float64Array | null)[][] = inputs.map(() => []);
  for (let k = 0; k < output.numel(); k++) {
    const seed = Tensor.zeros(output.shape, output.dtype);
    seed.writeAt(k, 1);
    const gradients = grad(output, differentiable, { gradOutputs: [seed], retainGraph: true, allowUnused: true });
    inputs.forEach((input, i) => {
      const gradient = input.requiresGrad ? gradients[differentiable.indexOf(input)] : null;
      rows[i].push(gradient && Float64Array.from(gradient.toNumbers()));
    });
  }
  return rows;
}

/** (f(x + eps) − f(x − eps)) / 2 eps for one element of `input`, for every element of output `o`. */
function differences(
  fn: Checked,
  inputs: readonly Tensor[],
  o: number,
  input: Tensor,
  element: number,
  eps: number,
): Float64Array {
  const position = stridedPositions(input.shape, input.strides, input.offset)[element];
  const original = input.readAt(position);
  const at = (value: number): Float64Array => {
    input.writeAt(position, value);
    return noGrad(() => Float64Array.from(asList(fn(...inputs))[o].toNumbers()));
  };
  try {
    const [above, below] = [at(original + eps), at(original - eps)];
    return above.map((value, k) => (value - below[k]) / (2 * eps));
  } finally {
    input.writeAt(position, original);
  }
}

function compare(
  analytical: readonly (Float64Array | null)[],
  numericalOf: (element: number) => Float64Array,
  { output, input }: { output: Tensor; input: Tensor },
  atol: number,
  rtol: number,
  where: string,
): void {
  for (let element = 0; element < input.numel(); element++) {
    numericalOf(element).forEach((numerical, k) => {
      const given = analytical[k]?.[element] ?? 0;
      if (Math.abs(given - numerical) <= atol + rtol * Math.abs(numerical)) return;
      throw new OctetError(
        `${where}: the derivative of element ${indexText(k, output)} by element ${indexText(element, input)} is ` +
          `${numerical} by finite differences, but backward gives ${given}`,
      );
    });
  }
}

/** A flat element number as an index: `[1, 2]`. */
function indexText(flat: number, { shape }: Tensor): string {
  let rest = flat;
  const index = contiguousStrides(shape).map((stride) => {
    const place = Math.floor(rest / stride);
    rest %= stride;
    return place;
  });
  return formatShape(index);
}
