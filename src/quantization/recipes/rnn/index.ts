/** The recipes of recurrent layers and cells. Static quantization of an LSTM goes through a custom module instead. */
import { GRUCell, LSTMCell, RNNCell } from "../../../nn/modules/rnn-cells.ts";
import { GRU, LSTM } from "../../../nn/modules/rnn.ts";
import type { Recipe } from "../recipe.ts";
import * as cells from "./cells.ts";
import * as dynamic from "./dynamic.ts";
import * as referenceCells from "./reference-cells.ts";
import * as reference from "./reference.ts";

export const recurrentRecipes: readonly Recipe[] = [
  { float: LSTM, reference: reference.LSTM, dynamic: dynamic.LSTM, observed: true },
  // PyTorch's mapping has no reference form of GRU; its graph-mode conversion has.
  { float: GRU, dynamic: dynamic.GRU, observed: true },
  { float: LSTMCell, reference: referenceCells.LSTMCell, dynamic: cells.LSTMCell, observed: true },
  { float: GRUCell, reference: referenceCells.GRUCell, dynamic: cells.GRUCell, observed: true },
  { float: RNNCell, reference: referenceCells.RNNCell, dynamic: cells.RNNCell, observed: true },
].map((recipe) => Object.freeze(recipe));
