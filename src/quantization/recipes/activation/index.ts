/**
 * The recipes of activation layers and dropout. Layers without one take quantized tensors as they are: ReLU, Hardtanh, and
 * Sigmoid, Hardsigmoid and Tanh, whose output qparams are fixed.
 */
import * as float from "../../../nn/modules/activation.ts";
import { Dropout } from "../../../nn/modules/dropout.ts";
import type { Recipe } from "../recipe.ts";
import * as quantized from "./quantized.ts";

export const activationRecipes: readonly Recipe[] = [
  { float: float.ReLU6, quantized: quantized.ReLU6, observed: true },
  { float: float.Hardswish, quantized: quantized.Hardswish, observed: true },
  { float: float.ELU, quantized: quantized.ELU, observed: true },
  { float: float.LeakyReLU, quantized: quantized.LeakyReLU, observed: true },
  { float: float.PReLU, quantized: quantized.PReLU, observed: true },
  { float: Dropout, quantized: quantized.Dropout, observed: true },
  { float: float.Softmax, quantizedInGraph: quantized.Softmax },
].map((recipe) => Object.freeze(recipe));
