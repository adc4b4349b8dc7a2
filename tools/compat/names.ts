/** From a PyTorch name to the Octet name: prefixes by table, then snake_case to camelCase. */

/**
 * PyTorch module path -> Octet namespace; the first match wins. PyTorch spreads `torch.ao.quantization` over files that its
 * users see as one package: so does Octet, as one namespace.
 */
const namespaces: readonly (readonly [torch: RegExp, octet: string])[] = [
  [/^torch\.ao\.ns\._numeric_suite\./, "quantization.numericSuite."],
  [/^torch\.ao\.ns\.(_numeric_suite_fx|fx\.utils)\./, "quantization.numericSuiteFx."],
  [/^torch\.ao\.quantization\.([a-z_]+\.)*/, "quantization."],
  [/^torch\.ao\.nn\./, "nn."],
  [/^torch\.utils\.data\./, "data."],
  [/^torch\./, ""],
];

/** The mapping in words, for the table's readers. */
export const namingRules: readonly string[] = [
  "`torch.x` is `x`; `torch.nn.x`, `torch.optim.x`, `torch.fx.x`, `torch.autograd.x` keep their namespace",
  "`torch.ao.nn.x` is `nn.x`; every module of `torch.ao.quantization` is one namespace, `quantization`",
  "`torch.ao.ns._numeric_suite` is `quantization.numericSuite`; `torch.ao.ns._numeric_suite_fx` and `torch.ao.ns.fx.utils` are `quantization.numericSuiteFx`",
  "`torch.utils.data` is `data`",
  "snake_case becomes camelCase; classes, constants in capitals and a trailing underscore (in place) stay as they are",
];

/** The dotted name under which Octet exports, or would export, the PyTorch name `path`. */
export function octetName(path: string): string {
  const [pattern, namespace] = namespaces.find(([torch]) => torch.test(path)) ?? [/^/, ""];
  return path.replace(pattern, namespace).split(".").map(camelCase).join(".");
}

/** `q_per_channel_scales` -> `qPerChannelScales`; `_FusedModule`, `MinMaxObserver` and `TYPE_CHECKING` are left alone. */
export function camelCase(name: string): string {
  if (/^_*[A-Z]/.test(name)) return name;
  return name.replace(/(?<=[A-Za-z0-9])_([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
