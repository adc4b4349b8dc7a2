/** Observers beyond PyTorch's numbers: merging, JSON, state dicts of all versions, printing, errors. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as octet from "../../src/index.ts";
import { nn, quantization as q, tensor } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import { floatSum } from "../../src/quantization/observers/float-sum.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { qint8, quint8, perChannelAffine, perChannelAffineFloatQparams, perTensorSymmetric } = octet;

const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 });
const batches = fc.array(fc.array(value, { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 6 });
const matrix = (values: readonly number[]) => tensor(values as number[]).reshape([2, 3]);

/** What the warnings of `body` were. */
function warningsOf(body: () => void): string[] {
  const messages: string[] = [];
  withWarnings((message) => messages.push(message), body);
  return messages;
}

/** Every observer with statistics, with options that differ from the defaults. */
const makers: Readonly<Record<string, () => q.ObserverBase>> = {
  MinMaxObserver: () => new q.MinMaxObserver({ dtype: qint8, qscheme: perTensorSymmetric, eps: 2 ** -12 }),
  MovingAverageMinMaxObserver: () => new q.MovingAverageMinMaxObserver({ averagingConstant: 0.3 }),
  PerChannelMinMaxObserver: () => new q.PerChannelMinMaxObserver({ chAxis: 1, qscheme: perChannelAffineFloatQparams }),
  MovingAveragePerChannelMinMaxObserver: () => new q.MovingAveragePerChannelMinMaxObserver({ averagingConstant: 0.1 }),
  HistogramObserver: () => new q.HistogramObserver({ bins: 64, reduceRange: true }),
};
const others: Readonly<Record<string, () => q.ObserverBase>> = {
  FixedQParamsObserver: () => new q.FixedQParamsObserver({ scale: 0.25, zeroPoint: 7 }),
  PlaceholderObserver: () => new q.PlaceholderObserver({ dtype: quint8, isDynamic: true, customOpName: "op" }),
  RecordingObserver: () => new q.RecordingObserver({ dtype: qint8 }),
  NoopObserver: () => new q.NoopObserver({ customOpName: "torch.quint8" }),
  ReuseInputObserver: () => new q.ReuseInputObserver(),
};

function feed<T extends q.ObserverBase>(observer: T, data: readonly (readonly number[])[]): T {
  for (const batch of data) (observer as q.ObserverBase)(matrix(batch));
  return observer;
}

const rangeOf = (observer: q.ObserverBase) => {
  const { min_val, max_val } = observer as q.MinMaxObserver;
  return [...min_val.toNumbers(), ...max_val.toNumbers()];
};

describe("merge", () => {
  for (const name of ["MinMaxObserver", "PerChannelMinMaxObserver"]) {
    it(`gives exactly what one ${name} would have got`, () => {
      fc.assert(
        fc.property(fc.array(batches, { minLength: 1, maxLength: 4 }), (shards) => {
          const whole = feed(makers[name](), shards.flat());
          const merged = shards.map((shard) => feed(makers[name](), shard)).reduce((a, b) => a.merge(b));
          expect(rangeOf(merged)).toEqual(rangeOf(whole));
        }),
      );
    });
  }

  for (const name of ["MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver"]) {
    it(`gives what one ${name} would have got, as if the shards had come in order`, () => {
      fc.assert(
        fc.property(fc.array(batches, { minLength: 1, maxLength: 4 }), (shards) => {
          const whole = rangeOf(feed(makers[name](), shards.flat()));
          const merged = shards.map((shard) => feed(makers[name](), shard)).reduce((a, b) => a.merge(b));
          // A float32 step for each batch, on values up to 1000.
          rangeOf(merged).forEach((v, i) => expect(Math.abs(v - whole[i])).toBeLessThan(2e-3));
        }),
      );
    });
  }

  it("keeps what a moving average needs to be merged again", () => {
    const make = makers.MovingAverageMinMaxObserver;
    const data = [1, 2, 3, 4].map((k) => [[k, -k, 2 * k, 0.5, 1, k * k]]);
    const [a, b, c, d] = data.map((shard) => feed(make(), shard));
    const tree = a.merge(b).merge(c.merge(d));
    rangeOf(tree).forEach((v, i) => expect(v).toBeCloseTo(rangeOf(feed(make(), data.flat()))[i], 5));
  });

  it("moves no value of a histogram by more than a bin", () => {
    const batch = fc.array(value, { minLength: 6, maxLength: 60 });
    const shards = fc.array(batch, { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(shards, (pair) => {
        const [merged, other] = pair.map((values) => {
          const observer = new q.HistogramObserver({ bins: 64 });
          observer(tensor(values));
          return observer;
        });
        merged.merge(other);
        const values = pair.flat();
        const [min, max] = [Math.min(...values), Math.max(...values)];
        expect(rangeOf(merged)).toEqual([min, max]);
        const counts = merged.histogram.toNumbers() as Float32Array;
        expect(counts.reduce((a, b) => a + b, 0)).toBeCloseTo(values.length, 3);
        // A value may lie anywhere in its old bin, which is no wider than a new one; the middle of a 16th of it decides.
        const width = (max - min) / 64;
        const reach = (width * 33) / 32 + 1e-4;
        let below = 0;
        const bins = min < max ? 64 : 0;
        for (let bin = 0; bin < bins; bin++) {
          below += counts[bin];
          const edge = min + (bin + 1) * width;
          expect(below).toBeGreaterThanOrEqual(values.filter((v) => v <= edge - reach).length - 1e-3);
          expect(below).toBeLessThanOrEqual(values.filter((v) => v <= edge + reach).length + 1e-3);
        }
      }),
    );
  });

  it("adds histograms over the same range exactly", () => {
    const make = () => new q.HistogramObserver({ bins: 8 });
    const [a, b] = [tensor([0, 1, 2, 7]), tensor([0, 5, 5, 7])];
    const [one, two] = [make(), make()];
    one(a);
    two(b);
    const whole = make();
    whole(a);
    whole(b);
    expect(one.merge(two).histogram.tolist()).toEqual(whole.histogram.tolist());
  });

  it("takes over from, and leaves alone, observers that saw nothing", () => {
    for (const [name, make] of Object.entries(makers)) {
      const seen = feed(make(), [[1, 2, 3, -4, 5, 6]]);
      expect(rangeOf(make().merge(seen)), name).toEqual(rangeOf(seen));
      const before = rangeOf(seen);
      expect(rangeOf(seen.merge(make())), name).toEqual(before);
    }
  });

  it("joins recordings", () => {
    const [a, b] = [new q.RecordingObserver(), new q.RecordingObserver()];
    a(tensor([1]));
    b(tensor([2]));
    expect(
      a
        .merge(b)
        .getTensorValue()
        .map((t) => t.tolist()),
    ).toEqual([[1], [2]]);
  });

  it("refuses other classes, other options, itself, and averages of unknown making", () => {
    const a = new q.MinMaxObserver();
    expect(() => a.merge(new q.MinMaxObserver({ dtype: qint8 }))).toThrow("another class or other options");
    expect(() => a.merge(new q.MovingAverageMinMaxObserver())).toThrow("another class or other options");
    expect(() => a.merge(a)).toThrow("cannot be merged with itself");
    const make = makers.MovingAverageMinMaxObserver;
    const loaded = make();
    loaded.loadStateDict(feed(make(), [[1, 2, 3, 4, 5, 6]]).stateDict());
    expect(() => feed(make(), [[1, 2, 3, 4, 5, 6]]).merge(loaded)).toThrow("loaded from a state dict");
  });
});

describe("JSON", () => {
  for (const [name, make] of Object.entries({ ...makers, ...others })) {
    it(`restores ${name} exactly, fresh and used`, () => {
      for (const data of [
        [],
        [[1, -2, 3.5, 0.1, 1e-7, 6]],
        [
          [1, -2, 3, 4, 5, 6],
          [7, 8, 9, -0, 0, 0.3],
        ],
      ]) {
        const observer = feed(make(), data);
        const restored = q.observerFromJSON(JSON.parse(JSON.stringify(observer)) as q.ObserverJSON);
        expect(restored.constructor).toBe(observer.constructor);
        expect(JSON.stringify(restored)).toBe(JSON.stringify(observer));
        expect(restored).toEqual(observer);
        for (const each of [observer, restored]) each(matrix([9, -9, 1, 2, 3, 4]));
        expect(JSON.stringify(restored)).toBe(JSON.stringify(observer));
      }
    });
  }

  it("merges what was passed on as JSON", () => {
    for (const [name, make] of Object.entries(makers)) {
      const [a, b] = [
        [[1, 2, 3, 4, 5, 6]],
        [
          [-1, 0, 9, 4, 2, 1],
          [3, 3, 3, 3, 3, 8],
        ],
      ].map((data) => feed(make(), data));
      const sent = q.observerFromJSON(JSON.parse(JSON.stringify(b)) as q.ObserverJSON);
      expect(rangeOf(feed(make(), [[1, 2, 3, 4, 5, 6]]).merge(sent)), name).toEqual(rangeOf(a.merge(b)));
    }
  });

  it("takes classes of one's own by name, and refuses unknown ones", () => {
    class Mine extends q.MinMaxObserver {}
    const json = new Mine({ quantMin: 0, quantMax: 15 }).toJSON();
    expect(q.observerFromJSON(json, { Mine })).toBeInstanceOf(Mine);
    expect(() => q.observerFromJSON(json)).toThrow('unknown class "Mine"');
    expect(() => q.observerFromJSON({ ...json, class: "constructor" })).toThrow("unknown class");
  });
});

describe("observing", () => {
  it("returns its argument itself, skips empty tensors, and keeps its buffers the same objects", () => {
    for (const [name, make] of Object.entries(makers)) {
      const observer = make();
      const before = [...observer.namedBuffers()];
      for (const x of [octet.zeros(0, 3), matrix([1, 2, 3, 4, 5, 6]), matrix([9, 9, 9, 9, 9, 9])]) {
        expect(observer(x), name).toBe(x);
      }
      expect(
        [...observer.namedBuffers()].every(([, buffer], i) => buffer === before[i][1]),
        name,
      ).toBe(true);
    }
  });

  it("keeps the tape of its argument", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    expect(new q.MinMaxObserver()(y)).toBe(y);
    expect(y.requiresGrad).toBe(true);
  });

  it("takes float16, float64 and integers", () => {
    for (const dtype of [octet.float16, octet.float64, octet.int64]) {
      for (const make of [() => new q.MinMaxObserver(), () => new q.HistogramObserver()]) {
        const observer = make();
        observer(tensor([-3, 0, 5], { dtype }));
        expect(rangeOf(observer)).toEqual([-3, 5]);
      }
    }
  });

  it("reads strided tensors", () => {
    const observer = new q.PerChannelMinMaxObserver({ chAxis: 0 });
    observer(matrix([1, 2, 3, 4, 5, 6]).t());
    expect(rangeOf(observer)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("warns of infinities in a histogram and of qparams before data", () => {
    expect(warningsOf(() => new q.HistogramObserver()(tensor([1, Infinity])))).toEqual([
      "torch.inf detected in input tensor, ignoring input",
    ]);
    for (const make of Object.values(makers)) {
      let qparams: q.Qparams | undefined;
      expect(warningsOf(() => (qparams = make().calculateQparams()))).toHaveLength(1);
      expect(qparams?.map((t) => t.tolist())).toEqual([[1], [0]]);
    }
  });

  it("forgets on demand", () => {
    for (const name of ["MinMaxObserver", "MovingAverageMinMaxObserver", "PerChannelMinMaxObserver"]) {
      const observer = feed(makers[name](), [[1, 2, 3, 4, 5, 6]]) as q.MinMaxObserver;
      observer.resetMinMaxVals();
      expect(rangeOf(observer), name).toEqual(rangeOf(makers[name]()));
    }
    expect(() => new q.HistogramObserver().resetMinMaxVals()).toThrow("Cannot reset min/max values");
  });

  it("refuses another number of channels", () => {
    for (const name of ["PerChannelMinMaxObserver", "MovingAveragePerChannelMinMaxObserver"]) {
      const observer = feed(makers[name](), [[1, 2, 3, 4, 5, 6]]);
      expect(() => observer(octet.zeros(5, 7)), name).toThrow(/expects \d channels, as before/);
    }
  });
});

describe("state dicts", () => {
  it("load into observers of another shape, of every class", () => {
    for (const [name, make] of Object.entries(makers)) {
      const used = feed(make(), [[1, -2, 3, 4, 5, 6]]);
      const fresh = make();
      fresh.loadStateDict(used.stateDict());
      expect(fresh, name).toEqual(used);
    }
  });

  it("of version 1 have no eps", () => {
    const state = new nn.StateDict([
      ["min_val", tensor(-1)],
      ["max_val", tensor(2)],
    ]);
    state.metadata.set("", { version: 1 });
    const observer = new q.MinMaxObserver({ eps: 0.5 });
    observer.loadStateDict(state);
    expect([observer.eps.item(), ...rangeOf(observer)]).toEqual([2 ** -23, -1, 2]);
    state.metadata.set("", { version: 3 });
    expect(() => observer.loadStateDict(state)).toThrow('Missing key(s) in state_dict: "eps"');
  });

  it("of version 2 have other names in per-channel observers, and empty ranges in unused histograms", () => {
    const eps = tensor([2 ** -12]);
    const channels = new nn.StateDict([
      ["eps", eps],
      ["min_vals", tensor([-1, -2])],
      ["max_vals", tensor([3, 4])],
    ]);
    channels.metadata.set("", { version: 2 });
    const perChannel = new q.PerChannelMinMaxObserver();
    perChannel.loadStateDict(channels);
    expect(rangeOf(perChannel)).toEqual([-1, -2, 3, 4]);

    const unused = new nn.StateDict([
      ["eps", eps],
      ["histogram", octet.zeros(4)],
      ["min_val", tensor([])],
      ["max_val", tensor([])],
    ]);
    unused.metadata.set("", { version: 2 });
    const histogram = new q.HistogramObserver({ bins: 4 });
    histogram.loadStateDict(unused);
    expect(histogram.min_val.shape).toEqual([]);
    expect(rangeOf(histogram)).toEqual([Infinity, -Infinity]);
  });

  it("of observers can be taken out of a model and put back", () => {
    const make = () => {
      const model = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU());
      model.get(0).addModule("activation_post_process", new q.HistogramObserver({ bins: 8 }));
      model.get(1).addModule("activation_post_process", new q.PerChannelMinMaxObserver());
      return model;
    };
    const [model, other] = [make(), make()];
    for (const layer of model.children()) {
      (layer as unknown as { activation_post_process: q.ObserverBase }).activation_post_process.forward(
        tensor([
          [1, 2],
          [3, -4],
        ]),
      );
    }
    const state = q.getObserverStateDict(model);
    expect([...state.keys()]).toEqual([
      ...["eps", "histogram", "min_val", "max_val"].map((name) => `0.activation_post_process.${name}`),
      ...["eps", "min_val", "max_val"].map((name) => `1.activation_post_process.${name}`),
    ]);
    q.loadObserverStateDict(other, state);
    expect(q.getObserverStateDict(other)).toEqual(state);
    expect(state.metadata.get("1.activation_post_process")).toEqual({ version: 3 });

    const short = new Map([...state].slice(1).filter(([key]) => !key.endsWith("1.activation_post_process.max_val")));
    expect(() => q.loadObserverStateDict(other, short)).toThrow(
      "Missing keys for observer 1.activation_post_process.max_val in state_dict",
    );
    const long = new Map([...state, ["7.activation_post_process.eps", tensor([1])]]);
    expect(() => q.loadObserverStateDict(other, long)).toThrow(
      "Unexpected keys for observer 7.activation_post_process.eps in state_dict",
    );
  });
});

describe("printing", () => {
  it("is PyTorch's", () => {
    const used = (observer: q.ObserverBase) => feed(observer, [[1, -0.1, 3, 4, 5, 6]]).toString();
    expect(new q.MinMaxObserver().toString()).toBe("MinMaxObserver(min_val=inf, max_val=-inf)");
    expect(used(new q.MinMaxObserver())).toBe("MinMaxObserver(min_val=-0.10000000149011612, max_val=6.0)");
    expect(new q.PerChannelMinMaxObserver().toString()).toBe(
      "PerChannelMinMaxObserver(min_val=tensor([]), max_val=tensor([]))",
    );
    expect(used(new q.PerChannelMinMaxObserver())).toBe(
      "PerChannelMinMaxObserver(min_val=tensor([-0.1000,  4.0000]), max_val=tensor([3., 6.]))",
    );
    expect(used(new q.HistogramObserver())).toBe("HistogramObserver(min_val=-0.10000000149011612, max_val=6.0)");
    expect(others.FixedQParamsObserver().toString()).toBe("FixedQParamsObserver()");
    expect(new q.PlaceholderObserver({ isDynamic: true }).toString()).toBe(
      "PlaceholderObserver(dtype=torch.float32, is_dynamic=True)",
    );
  });

  it("of factories is the code that makes them", () => {
    expect(String(q.defaultWeightObserver)).toBe(
      "MinMaxObserver.withArgs({ dtype: torch.qint8, qscheme: torch.per_tensor_symmetric })",
    );
  });
});

describe("constructors refuse", () => {
  const cases: readonly (readonly [string, () => unknown, string])[] = [
    [
      "schemes",
      () => new q.MinMaxObserver({ qscheme: perChannelAffine }),
      "MinMaxObserver's qscheme only support torch.per_tensor_symmetric and torch.per_tensor_affine.",
    ],
    [
      "schemes",
      () => new q.MovingAverageMinMaxObserver({ qscheme: perChannelAffine }),
      "but got: torch.per_channel_affine",
    ],
    [
      "schemes",
      () => new q.HistogramObserver({ qscheme: perChannelAffine }),
      "HistogramObserver's qscheme only support",
    ],
    [
      "schemes",
      () => new q.PerChannelMinMaxObserver({ qscheme: perTensorSymmetric }),
      "PerChannelMinMaxObserver's qscheme only support torch.per_channel_symmetric",
    ],
    [
      "dynamic",
      () => new q.HistogramObserver({ isDynamic: true }),
      "HistogramObserver doesn't support dynamic quantization",
    ],
    [
      "dynamic",
      () => new q.PerChannelMinMaxObserver({ isDynamic: true }),
      "PerChannelMinMaxObserver doesn't support dynamic quantization",
    ],
    [
      "dynamic",
      () => new q.MovingAveragePerChannelMinMaxObserver({ isDynamic: true }),
      "MovingAveragePerChannelMinMaxObserver doesn't support dynamic quantization",
    ],
    [
      "dynamic",
      () => new q.MovingAverageMinMaxObserver({ isDynamic: true }),
      "MovingAverageMinMaxObserver doesn't support dynamic quantization for averaging constant of 0.01",
    ],
    [
      "dynamic",
      () => new q.FixedQParamsObserver({ scale: 1, zeroPoint: 0, isDynamic: true }),
      "FixedQParamsObserver doesn't support dynamic quantization",
    ],
    ["dtypes", () => new q.MinMaxObserver({ dtype: octet.float32 }), "Default Observer only works for (torch.qint8"],
    [
      "ranges",
      () => new q.MinMaxObserver({ quantMin: 1, quantMax: 5 }),
      "Used-specified quantization range must include 0.",
    ],
    ["ranges", () => new q.MinMaxObserver({ quantMin: 0, quantMax: 0 }), "qmin must be strictly less than qmax"],
    [
      "ranges",
      () => new q.MinMaxObserver({ dtype: qint8, quantMin: -200, quantMax: 200 }),
      "not exceed the maximum bit range (=256)",
    ],
    [
      "7 bits",
      () => new q.MinMaxObserver({ qscheme: perTensorSymmetric, reduceRange: true }),
      "Cannot reduce range for symmetric quantization for quint8",
    ],
  ];
  for (const [what, make, message] of cases) it(`${what}: ${message}`, () => expect(make).toThrow(message));

  it("nothing of a moving average without memory, which may be dynamic", () => {
    expect(new q.MovingAverageMinMaxObserver({ averagingConstant: 1, isDynamic: true }).isDynamic).toBe(true);
  });
});

describe("observers without statistics", () => {
  it("have no qparams", () => {
    for (const name of ["PlaceholderObserver", "RecordingObserver", "NoopObserver", "ReuseInputObserver"]) {
      expect(() => others[name]().calculateQparams()).toThrow(`calculate_qparams should not be called for ${name}`);
    }
  });

  it("record copies", () => {
    const observer = new q.RecordingObserver();
    const x: Tensor = tensor([1, 2]);
    observer(x);
    x.fill_(9);
    expect(observer.getTensorValue().map((t) => t.tolist())).toEqual([[1, 2]]);
  });
});

describe("the order of float sums", () => {
  it("is exact for whole numbers and close for others", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 400 }), (values) => {
        expect(floatSum(Float32Array.from(values))).toBe(values.reduce((a, b) => a + b, 0));
      }),
    );
  });
});
