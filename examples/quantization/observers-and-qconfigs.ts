/** Observers collect ranges, fake quantization rounds to them, and a QConfig tells a layer which of both to use. */
import { nn, noGrad, perTensorSymmetric, qint8, quantization as q, quint8, tensor } from "octet";
import { runDirectly } from "./run.ts";

export function main() {
  const x = tensor([-1, 0, 0.3, 2]);

  // An observer returns its argument, and remembers its range.
  const observer = new q.MinMaxObserver({ dtype: quint8 });
  observer(x);
  const [scale, zeroPoint] = observer.calculateQparams();

  // Fake quantization also rounds to the grid of that range, in floats.
  const fakeQuantize = new q.FakeQuantize({ observer: q.MinMaxObserver, dtype: quint8 });
  const rounded = noGrad(() => fakeQuantize(x));

  // A QConfig holds constructors, because every layer gets observers of its own. quantMin and quantMax narrow the integers:
  // 7 bits, as the x86 backend wants them, or fewer to see what lower precision would do.
  const sevenBits = new q.QConfig({
    activation: q.MinMaxObserver.withArgs({ dtype: quint8, quantMin: 0, quantMax: 127 }),
    weight: q.MinMaxObserver.withArgs({ dtype: qint8, quantMin: -64, quantMax: 63, qscheme: perTensorSymmetric }),
  });
  const fourBitWeights = new q.QConfig({
    activation: sevenBits.activation,
    weight: q.MinMaxObserver.withArgs({ dtype: qint8, quantMin: -8, quantMax: 7, qscheme: perTensorSymmetric }),
  });

  const weightsOf = (qconfig: q.QConfig) => {
    const model = new q.QuantWrapper(new nn.Linear(8, 8)).eval();
    model.qconfig = qconfig;
    const prepared = q.prepare(model);
    noGrad(() => prepared(tensor([[0, 1, 2, 3, 4, 5, 6, 7]])));
    const { module } = q.convert(prepared) as unknown as { module: nn.quantized.Linear };
    return module.weight().intRepr();
  };
  return {
    scale: scale.item(),
    zeroPoint: zeroPoint.item(),
    rounded,
    sevenBits: String(sevenBits),
    weights7: weightsOf(sevenBits),
    weights4: weightsOf(fourBitWeights),
  };
}

runDirectly(import.meta.url, main);
