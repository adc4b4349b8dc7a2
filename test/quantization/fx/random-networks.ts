/** Random networks that can be traced, made of what graph mode knows how to quantize and of some that it does not. */
import * as octet from "../../../src/index.ts";
import type { Tensor } from "../../../src/index.ts";
import { manualSeed, nn, randn } from "../../../src/index.ts";

const F = nn.functional;

/** One step of a network's plan; the numbers choose among what is possible where the step stands. */
export interface Choice {
  readonly op: number;
  readonly input: number;
  readonly other: number;
}

type Shape = readonly number[];
type Step = (layers: readonly nn.Module[], values: readonly Tensor[]) => Tensor;

/** Runs steps, each on values that are there already, and gives some of the values. */
export class RandomNet extends nn.Module {
  layers: nn.ModuleList;
  private readonly steps: readonly Step[];
  private readonly outputs: readonly number[];

  constructor(layers: readonly nn.Module[], steps: readonly Step[], outputs: readonly number[]) {
    super();
    this.layers = new nn.ModuleList(layers);
    this.steps = Object.freeze([...steps]);
    this.outputs = Object.freeze([...outputs]);
  }

  override forward(x: Tensor, y: Tensor): unknown {
    const values = [x, y];
    const layers = [...this.layers];
    for (const step of this.steps) values.push(step(layers, values));
    const results = this.outputs.map((i) => values[i]);
    return results.length === 1 ? results[0] : results;
  }
}

/** What a network consists of while it is planned. */
class Plan {
  readonly layers: nn.Module[] = [];
  readonly steps: Step[] = [];
  readonly shapes: Shape[];

  constructor(inputs: readonly Shape[]) {
    this.shapes = [...inputs];
  }

  /** Adds a step whose result has this shape. */
  add(shape: Shape, step: Step): void {
    this.steps.push(step);
    this.shapes.push(shape);
  }

  /** A step that calls a module; `reuse` calls one of the same kind that is there already. */
  addModule(input: number, shape: Shape, make: () => nn.Module, reuse: boolean): void {
    const made = make();
    const known = reuse ? this.layers.findIndex((layer) => layer.toString() === made.toString()) : -1;
    const at = known < 0 ? this.layers.push(made) - 1 : known;
    this.add(shape, (layers, values) => layers[at](values[input]) as Tensor);
  }
}

type Builder = (plan: Plan, input: number, other: number) => void;

/** Builders for a value of this shape. */
function buildersFor(shape: Shape): readonly Builder[] {
  if (shape.length === 4) return [...images, ...images, ...elementwise, ...joins];
  return [...(shape.length === 2 ? rows : []), ...sequences, ...elementwise, ...joins];
}

const module =
  (
    make: (shape: Shape, other: number) => nn.Module,
    result: (shape: Shape, other: number) => Shape = (s) => s,
  ): Builder =>
  (plan, input, other) => {
    const shape = plan.shapes[input];
    plan.addModule(input, result(shape, other), () => make(shape, other), other % 3 === 0);
  };

const operator =
  (run: (x: Tensor, shape: Shape) => Tensor, result: (shape: Shape) => Shape = (s) => s): Builder =>
  (plan, input) => {
    const shape = plan.shapes[input];
    plan.add(result(shape), (_layers, values) => run(values[input], shape));
  };

/** A weight that the model holds as its own parameter. */
class Weight extends nn.Module {
  weight: nn.Parameter;

  constructor(shape: Shape) {
    super();
    this.weight = new nn.Parameter(randn([...shape]).mul(0.4));
  }

  override forward(): Tensor {
    return this.weight;
  }
}

const withWeight =
  (
    weightShape: (shape: Shape, other: number) => Shape,
    run: (x: Tensor, weight: Tensor) => Tensor,
    result: (shape: Shape, other: number) => Shape,
  ): Builder =>
  (plan, input, other) => {
    const shape = plan.shapes[input];
    const at = plan.layers.push(new Weight(weightShape(shape, other))) - 1;
    plan.add(result(shape, other), (layers, values) => run(values[input], (layers[at] as Weight).weight));
  };

const width = (other: number): number => 1 + (other % 4);
const withChannels = ([n, , h, w]: Shape, channels: number): Shape => [n, channels, h, w];
const halved = ([n, c, h, w]: Shape): Shape => [n, c, Math.floor(h / 2), Math.floor(w / 2)];
const doubled = ([n, c, h, w]: Shape): Shape => [n, c, h * 2, w * 2];
const withLast = (shape: Shape, last: number): Shape => [...shape.slice(0, -1), last];
const flat = ([n, ...rest]: Shape): Shape => [n, rest.reduce((a, b) => a * b, 1)];

/** Builds `large` where the last dimensions have room for it, else `small`. */
const ifRoom =
  (fits: (...sizes: [number, number]) => boolean, large: Builder, small: Builder): Builder =>
  (plan, input, other) => {
    const [a, b] = plan.shapes[input].slice(-2);
    (fits(a, b) ? large : small)(plan, input, other);
  };

const relu = operator((x) => F.relu(x));

const images: readonly Builder[] = [
  module(
    ([, c], other) => new nn.Conv2d(c, width(other), 1),
    (s, other) => withChannels(s, width(other)),
  ),
  module(
    ([, c], other) => new nn.Conv2d(c, width(other), 3, { padding: 1 }),
    (s, other) => withChannels(s, width(other)),
  ),
  module(([, c]) => new nn.Conv2d(c, c, 3, { padding: 1, groups: c, bias: false })),
  module(([, c]) => new nn.BatchNorm2d(c)),
  ifRoom(
    (h, w) => h * w >= 4,
    module(([, c]) => new nn.InstanceNorm2d(c, { affine: true })),
    relu,
  ),
  withWeight(
    ([, c], other) => [width(other), c, 1, 1],
    (x, weight) => F.conv2d(x, weight),
    (s, other) => withChannels(s, width(other)),
  ),
  ifRoom(
    (h, w) => h >= 2 && w >= 2,
    module(() => new nn.MaxPool2d(2), halved),
    relu,
  ),
  ifRoom(
    (h, w) => h >= 2 && w >= 2,
    operator((x) => F.avgPool2d(x, 2), halved),
    relu,
  ),
  ifRoom(
    (h, w) => h * w <= 36,
    operator((x) => F.interpolate(x, { scaleFactor: 2, mode: "nearest" }), doubled),
    relu,
  ),
  module(
    () => new nn.AdaptiveAvgPool2d([1, 1]),
    ([n, c]) => [n, c, 1, 1],
  ),
  operator((x) => octet.flatten(x, 1), flat),
  operator(
    (x) => x.permute(0, 2, 3, 1),
    ([n, c, h, w]) => [n, h, w, c],
  ),
  operator(
    (x, [n, c]) => x.reshape(n, c, -1),
    ([n, c, h, w]) => [n, c, h * w],
  ),
  operator((x) => x.contiguous().view(x.size(0), -1), flat),
  operator(
    (x) => x.mean([2, 3]),
    ([n, c]) => [n, c],
  ),
];

/** For values of which the last dimension is that of features. */
const sequences: readonly Builder[] = [
  module(
    (s, other) => new nn.Linear(s.at(-1) as number, width(other)),
    (s, other) => withLast(s, width(other)),
  ),
  module(
    (s, other) => new nn.Linear(s.at(-1) as number, width(other)),
    (s, other) => withLast(s, width(other)),
  ),
  withWeight(
    (s, other) => [width(other), s.at(-1) as number],
    (x, weight) => F.linear(x, weight),
    (s, other) => withLast(s, width(other)),
  ),
  ifRoom(
    (_rows, features) => features >= 4,
    module((s) => new nn.LayerNorm([s.at(-1) as number])),
    relu,
  ),
  operator((x) => x.unsqueeze(1).squeeze(1)),
];

const rows: readonly Builder[] = [
  module(([, c]) => new nn.BatchNorm1d(c)),
  operator(
    (x) => octet.matmul(x, x.transpose(0, 1)),
    ([n]) => [n, n],
  ),
];

const elementwise: readonly Builder[] = [
  module(() => new nn.ReLU()),
  relu,
  module(() => new nn.ReLU6()),
  module(() => new nn.Sigmoid()),
  operator((x) => octet.sigmoid(x)),
  operator((x) => x.tanh()),
  module(() => new nn.Hardswish()),
  module(() => new nn.Hardsigmoid()),
  module(() => new nn.LeakyReLU(0.1)),
  module(() => new nn.ELU()),
  module(() => new nn.GELU()), // no integer form
  module(() => new nn.Softmax(-1)),
  module(() => new nn.Dropout(0.3)),
  module(() => new nn.Identity()),
  operator((x) => octet.clamp(x, { min: -0.5, max: 0.75 })),
  operator((x) => x.mul(0.5)),
  operator((x) => x.add(0.75)),
  operator((x) => x.sub(0.25)), // no pattern
  operator((x) => x.contiguous()),
];

/** Of two values of the same shape, or of one with itself. */
const join =
  (run: (x: Tensor, y: Tensor) => Tensor, result: (shape: Shape) => Shape = (s) => s): Builder =>
  (plan, input, other) => {
    const shape = plan.shapes[input];
    const partners = plan.shapes.flatMap((s, i) => (String(s) === String(shape) ? [i] : []));
    const partner = partners[other % partners.length];
    plan.add(result(shape), (_layers, values) => run(values[input], values[partner]));
  };

const joins: readonly Builder[] = [
  join((x, y) => x.add(y)),
  join((x, y) => F.relu(x.add(y))),
  join((x, y) => octet.add(x, y)),
  join((x, y) => x.mul(y)),
  join((x, y) => F.relu(octet.mul(x, y))),
  join(
    (x, y) => octet.cat([x, y], 1),
    ([n, c, ...rest]) => [n, 2 * c, ...rest],
  ),
];

const MOST_ELEMENTS = 800;

/** The network of a plan, and inputs for it. */
export function randomNetwork(choices: readonly Choice[], outputs: readonly number[], seed: number) {
  manualSeed(seed);
  const inputs: readonly Shape[] = [
    [2, 3, 6, 6],
    [2, 4],
  ];
  const plan = new Plan(inputs);
  for (const { op, input, other } of choices) {
    // The latest values most often: deep networks rather than wide ones.
    const at = Math.max(0, plan.shapes.length - 1 - (input % 3 === 0 ? input % plan.shapes.length : 0));
    const builders = buildersFor(plan.shapes[at]);
    const before = plan.shapes.length;
    builders[op % builders.length](plan, at, other);
    const last = plan.shapes[before];
    if (last.reduce((a, b) => a * b, 1) > MOST_ELEMENTS) [plan.steps, plan.shapes].forEach((list) => list.pop());
  }
  const count = plan.shapes.length;
  const given = new Set([count - 1, ...outputs.map((i) => i % count)].filter((i) => i >= inputs.length || count === 2));
  const net = new RandomNet(plan.layers, plan.steps, [...given]);
  for (const layer of plan.layers) settle(layer);
  return { net: net.eval(), inputs: inputs.map((shape) => randn([...shape])) };
}

/** Gives statistics and affine parameters values as after training. */
function settle(layer: nn.Module): void {
  const { running_mean, running_var, weight } = layer as {
    running_mean?: Tensor;
    running_var?: Tensor;
    weight?: Tensor;
  };
  octet.noGrad(() => {
    if (running_mean) running_mean.copy_(randn([...running_mean.shape]).mul(0.3));
    if (running_var) running_var.copy_(octet.rand([...running_var.shape]).add(0.5));
    if (running_var && weight) weight.copy_(octet.rand([...weight.shape]).add(0.5));
  });
}
