/** A module that is observed and quantized in a way of one's own. */
import type { Tensor } from "octet";
import { nn, noGrad, quantization as q, quantizePerTensor, quint8, randn } from "octet";
import { runDirectly } from "./run.ts";

const nnq = nn.quantized;

/** A Linear that carries its observer, as conversion wants it. */
type ObservedLinear = nn.Linear & { activation_post_process?: nn.Module };

/** The float module to replace. */
class CustomModule extends nn.Module {
  linear = new nn.Linear(3, 3);

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }
}

/** Takes its place in `prepare`, which also observes what it returns. */
class ObservedCustomModule extends nn.Module {
  linear: ObservedLinear;
  declare activation_post_process: nn.Module;

  constructor(linear: nn.Linear) {
    super();
    this.linear = linear;
  }

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }

  static fromFloat(floatModule: CustomModule): ObservedCustomModule {
    if (!floatModule.qconfig) throw new Error("the float module has no qconfig");
    const observed = new ObservedCustomModule(floatModule.linear);
    observed.qconfig = floatModule.qconfig;
    return observed;
  }
}

/** Takes the observed module's place in `convert`. */
class StaticQuantCustomModule extends nn.Module {
  linear: nn.quantized.Linear;

  constructor(linear: nn.quantized.Linear) {
    super();
    this.linear = linear;
  }

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }

  static fromObserved(observedModule: ObservedCustomModule): StaticQuantCustomModule {
    observedModule.linear.activation_post_process = observedModule.activation_post_process;
    return new StaticQuantCustomModule(nnq.Linear.fromFloat(observedModule.linear));
  }
}

export function main() {
  const m = new nn.Sequential(new CustomModule()).eval();
  m.qconfig = q.defaultQconfig;
  const mp = q.prepare(m, {
    prepareCustomConfigDict: { floatToObservedCustomModuleClass: new Map([[CustomModule, ObservedCustomModule]]) },
  });
  const x = randn([5, 3]);
  const float = noGrad(() => mp(x) as Tensor); // this run calibrates, too
  const mq = q.convert(mp, {
    convertCustomConfigDict: {
      observedToQuantizedCustomModuleClass: new Map([[ObservedCustomModule, StaticQuantCustomModule]]),
    },
  });
  // There are no stubs in this model: it takes and gives quantized tensors.
  const [scale, zeroPoint] = [0.05, 64];
  const res = mq(quantizePerTensor(x, scale, zeroPoint, quint8)) as Tensor;
  return { mp, mq, res, float };
}

runDirectly(import.meta.url, main);
