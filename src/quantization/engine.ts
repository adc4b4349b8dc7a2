/** `torch.backends.quantized`: the engine as PyTorch spells it. The state is in core/engine.ts, where operators read it. */
import type { Engine } from "../core/engine.ts";
import { getEngine, setEngine, supportedEngines } from "../core/engine.ts";

export { withEngine } from "../core/engine.ts";
export type { Engine } from "../core/engine.ts";

export const backends = {
  quantized: {
    /** Default "x86". Assigning an unknown name is an error. */
    get engine(): Engine {
      return getEngine();
    },
    set engine(value: Engine) {
      setEngine(value);
    },
    supportedEngines,
  },
};
