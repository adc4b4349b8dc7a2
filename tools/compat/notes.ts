/** What the exports alone do not tell, kept by hand: why a name is only partly there, and why one is not planned. */
import type { data } from "../../src/index.ts";

/** Names that are exported, but not in full: PyTorch name -> what is missing, beyond what the code finds by itself. */
export const partly: Readonly<Record<string, string>> = {
  "torch.load": "reads tensors and plain containers; anything else in a checkpoint is an error",
};

/** PyTorch classes that are TypeScript interfaces here, which leave no trace at run time. */
export const interfaces: Readonly<Record<string, string>> = {
  "torch.utils.data.Dataset": "an interface to implement",
  "torch.utils.data.Sampler": "an interface to implement",
};

/** Does not compile once one of {@link interfaces} is gone. */
export type Interfaces = [data.Dataset<unknown>, data.Sampler];

/** PyTorch names that go by another name than the rules give. */
export const renamed: Readonly<Record<string, string>> = {
  "torch.load": "io.loadCheckpoint",
};

/** Names that Octet leaves out. The first match gives the reason; a name that is exported is never "not planned". */
export const notPlanned: readonly { readonly names: RegExp; readonly why: string }[] = [
  {
    names: anyOf("TYPE_CHECKING"),
    why: "a name of Python's typing module that PyTorch's page lists by accident",
  },
  { names: anyOf("to_folder"), why: "writes Python source text" },
  {
    names:
      /nn\.init\.(?!calculate_gain)\w*[a-z]$|clip_grad_norm$|feature_alpha_dropout$|FeatureAlphaDropout$|^torch\.nn\.functional\.upsample/,
    why: "deprecated in PyTorch",
  },
  {
    names: anyOf(
      "CrossMapLRN2d Container NLLLoss2d Variable volatile spectral_norm weight_norm remove_\\w+_norm type print_lr " +
        "register_backward_hook",
    ),
    why: "deprecated in PyTorch",
  },
  {
    names: anyOf(
      "absolute arccos arcsin arctan arccosh arcsinh arctanh arctan2 clip concat concatenate divide multiply subtract " +
        "negative positive true_divide greater greater_equal less less_equal not_equal fix swapaxes swapdims moveaxis ger " +
        "row_stack trapz ndimension nelement",
    ),
    why: "a second name; the operator is there under its first",
  },
  {
    names: anyOf(
      "(is_)?(cpu|cuda|ipu|xpu|mtia|mps|vulkan|xla|maia|meta|mkldnn) to_mkldnn pin_memory is_pinned record_stream",
    ),
    why: "devices: there is only the processor",
  },
  {
    names: anyOf(
      "flatten_parameters device get_device get_device_module get_default_device set_default_device to_empty",
    ),
    why: "devices: there is only the processor",
  },
  {
    names:
      /DataParallel|SyncBatchNorm|Distributed|num_(interop_)?threads|\b(share_memory_?|is_shared|fork|wait|get_worker_info)$/,
    why: "tensors that are shared between threads, processes or machines",
  },
  {
    names:
      /\b(to_|is_)?sparse_(?!$)|\bto_sparse|\bis_sparse|SparseAdam|coalesced?$|\b(c?crow|c?col|row)_indices|\b(indices|values)(_copy)?$/,
    why: "sparse tensors",
  },
  { names: anyOf("dense_dim to_dense hspmm smm sspaddmm"), why: "sparse tensors" },
  {
    names:
      /complex|conj|\b(cfloat|cdouble|chalf|real|imag|angle|adjoint|mH|H|isreal|polar|resolve_neg|is_neg|vdot|view_as_real)$/,
    why: "complex numbers",
  },
  { names: /\bi?stft$|_window$/, why: "spectra of signals" },
  {
    names: anyOf(
      "cholesky\\w* qr geqrf orgqr ormqr svd lu lu_solve lu_unpack lobpcg pinverse inverse triangular_solve det logdet slogdet " +
        "matrix_exp matrix_power chain_matmul",
    ),
    why: "matrix decompositions",
  },
  {
    names: anyOf("digamma polygamma lgamma mvlgamma igammac? i0 erfinv nextafter frexp ldexp logaddexp2? logcumsumexp"),
    why: "special functions that no layer uses",
  },
  { names: anyOf("align_\\w+ has_names names? refine_names rename"), why: "named dimensions, a prototype in PyTorch" },
  { names: /nested|NestedIO|to_padded_tensor/, why: "nested tensors, a prototype in PyTorch" },
  {
    names: anyOf(
      "compile vmap import_ir_module\\w* parse_\\w+ merge_type_from_type_comment unify_type_list cond sym_\\w+",
    ),
    why: "PyTorch's compilers and function transforms",
  },
  {
    names: /(?<!index)_copy$|(?<!masked)_scatter$|\bunsafe_|empty_permuted/,
    why: "twins of views, made for PyTorch's compilers",
  },
  {
    names: /vital|autocast|deterministic|warn_always|flush_denormal|float32_matmul_precision|multithreading/,
    why: "switches of PyTorch's runtime",
  },
  {
    names: anyOf(
      "storage_type untyped_storage data_ptr set_ module_load as_subclass is_set_to output_nr memory_format skip_init",
    ),
    why: "how PyTorch stores tensors",
  },
  { names: /memory_format$/, why: "how PyTorch stores tensors" },
  { names: anyOf("uint16 uint32 uint64 bfloat16 float8\\w*"), why: "no flow of int8 quantization uses the dtype" },
  { names: /DataPipe$|DFIter|DataChunk/, why: "data pipes, which PyTorch is retiring" },
  { names: anyOf("ctc_loss CTCLoss AdaptiveLogSoftmaxWithLoss"), why: "losses of speech and large vocabularies" },
  { names: anyOf("LBFGS Adafactor"), why: "nothing that is trained for quantization needs them" },
  { names: /nn\.Lazy|Uninitialized/, why: "modules without sizes" },
];

/** Matches a path whose last part is one of `names` (words between blanks, each a pattern), in place or not. */
function anyOf(names: string): RegExp {
  return new RegExp(`\\.(${names.replaceAll(" ", "|")})_?$`);
}
