/** A module that graph mode observes and quantizes in a way of one's own. */
import type { Tensor } from "octet";
import { nn, noGrad, quantization as q, randn } from "octet";
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

/** Takes its place in `prepareFx`, which also observes what it returns. */
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
    const observed = new ObservedCustomModule(floatModule.linear);
    observed.qconfig = floatModule.qconfig;
    return observed;
  }
}

/** Takes the observed module's place in `convertFx`: quantized tensors in and out. */
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
    const { linear, qconfig, activation_post_process: observer } = observedModule;
    linear.qconfig = qconfig;
    linear.activation_post_process = observer;
    return new StaticQuantCustomModule(nnq.Linear.fromFloat(linear));
  }
}

export function main() {
  const m = new nn.Sequential(new CustomModule()).eval();
  const qconfigMapping = new q.QConfigMapping().setGlobal(q.defaultQconfig);
  const x = randn([5, 3]);
  const mp = q.prepareFx(m, qconfigMapping, [x], {
    prepareCustomConfig: {
      float_to_observed_custom_module_class: { static: new Map([[CustomModule, ObservedCustomModule]]) },
    },
  });
  const float = noGrad(() => mp(x) as Tensor); // this run calibrates, too
  const mq = q.convertFx(mp, {
    convertCustomConfig: {
      observed_to_quantized_custom_module_class: { static: new Map([[ObservedCustomModule, StaticQuantCustomModule]]) },
    },
  });
  return { mp, mq, res: mq(x) as Tensor, float };
}

runDirectly(import.meta.url, main);
