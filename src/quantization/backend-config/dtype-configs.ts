/** The dtypes that PyTorch's backends compute in. */
import { float16, float32, qint8, quint4x2, quint8 } from "../../core/dtype.ts";
import { DTypeConfig, DTypeWithConstraints } from "./dtype-config.ts";

/** Eight-bit activations and weights. */
export const weightedOpQuint8DtypeConfig = new DTypeConfig({
  inputDtype: quint8,
  outputDtype: quint8,
  weightDtype: qint8,
  biasDtype: float32,
});

/** Eight-bit activations, no weight. */
export const defaultOpQuint8DtypeConfig = new DTypeConfig({ inputDtype: quint8, outputDtype: quint8 });

export const defaultOpFp16DtypeConfig = new DTypeConfig({
  inputDtype: float16,
  outputDtype: float16,
  weightDtype: float16,
  biasDtype: float16,
});

/** Activations quantized at each call by their own range. */
export const defaultDynamicInt8DtypeConfig = new DTypeConfig({
  inputDtype: quint8,
  outputDtype: float32,
  weightDtype: qint8,
  biasDtype: float32,
  isDynamic: true,
});

export const defaultDynamicFloat16DtypeConfig = new DTypeConfig({
  inputDtype: float16,
  outputDtype: float32,
  weightDtype: float16,
  biasDtype: float32,
  isDynamic: true,
});

/** Eight-bit activations, float weight: layer norms. */
export const inputOutputOnlyQuint8DtypeConfig = new DTypeConfig({
  inputDtype: quint8,
  outputDtype: quint8,
  weightDtype: float32,
  biasDtype: float32,
});

export const weightOnlyQuint8DtypeConfig = new DTypeConfig({
  inputDtype: float32,
  outputDtype: float32,
  weightDtype: quint8,
});

export const weightOnlyQuint4x2DtypeConfig = new DTypeConfig({
  inputDtype: float32,
  outputDtype: float32,
  weightDtype: quint4x2,
});

export const weightOnlyQint8DtypeConfig = new DTypeConfig({
  inputDtype: float32,
  outputDtype: float32,
  weightDtype: qint8,
});

/** Scales of at least 2⁻¹² keep the factors by which XNNPACK requantizes above what it can represent. */
const symmetricActivation = new DTypeWithConstraints({ dtype: qint8, scaleMinLowerBound: 2 ** -12 });

/** −128 is left out, so that the range is symmetric. */
const symmetricWeight = new DTypeWithConstraints({
  dtype: qint8,
  quantMinLowerBound: -127,
  quantMaxUpperBound: 127,
  scaleMinLowerBound: 2 ** -12,
});

export const weightedOpQint8SymmetricDtypeConfig = new DTypeConfig({
  inputDtype: symmetricActivation,
  outputDtype: symmetricActivation,
  weightDtype: symmetricWeight,
  biasDtype: float32,
});

export const defaultOpQint8SymmetricDtypeConfig = new DTypeConfig({
  inputDtype: symmetricActivation,
  outputDtype: symmetricActivation,
});

export const dynamicQint8SymmetricDtypeConfig = new DTypeConfig({
  inputDtype: symmetricActivation,
  outputDtype: float32,
  weightDtype: symmetricWeight,
  biasDtype: float32,
  isDynamic: true,
});

/** Signed activations throughout: TensorRT. */
export const weightedOpQint8DtypeConfig = new DTypeConfig({
  inputDtype: qint8,
  outputDtype: qint8,
  weightDtype: qint8,
  biasDtype: float32,
});

export const defaultOpQint8DtypeConfig = new DTypeConfig({ inputDtype: qint8, outputDtype: qint8 });
