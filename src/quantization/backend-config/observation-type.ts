/** How observers are placed around a pattern (`torch.ao.quantization.backend_config.ObservationType`). */
export const ObservationType = Object.freeze({
  /** Input and output are observed apart, as of convolutions. */
  OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT: "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
  /** The output is on the input's grid, as of `cat` and of what only moves elements. */
  OUTPUT_SHARE_OBSERVER_WITH_INPUT: "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
  /** Nothing is observed: the result is no tensor, as of `size`. */
  INPUT_OUTPUT_NOT_OBSERVED: "INPUT_OUTPUT_NOT_OBSERVED",
});

export type ObservationType = (typeof ObservationType)[keyof typeof ObservationType];
