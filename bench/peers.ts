/**
 * The peers: other libraries that compute in WebAssembly, one thread each. Their inputs are made once, outside the timed
 * part; what is timed is the call, and fetching the result into a JavaScript array.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { Absentee, Contestant } from "./harness.ts";
import { oneNodeModel } from "./onnx-model.ts";
import type { OneNodeModel } from "./onnx-model.ts";

/** A square 2d convolution without groups. */
export interface ConvShape {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

export interface Peer {
  matmul(m: number, k: number, n: number, a: Float32Array, b: Float32Array): Promise<Contestant | Absentee>;
  conv(shape: ConvShape, input: Float32Array, weight: Float32Array): Promise<Contestant | Absentee>;
}

/** Loads every peer; one that fails to load says why in each case. */
export async function loadPeers(): Promise<Peer[]> {
  return [await peer("onnxruntime-web", loadOnnxRuntime), await peer("tfjs-backend-wasm", loadTensorflow)];
}

async function peer(who: string, load: () => Promise<Peer>): Promise<Peer> {
  const absent = (error: unknown): Absentee => ({
    who,
    notAvailable: error instanceof Error ? error.message.split("\n")[0] : String(error),
  });
  try {
    const loaded = await load();
    return {
      matmul: (...args) => loaded.matmul(...args).catch(absent),
      conv: (...args) => loaded.conv(...args).catch(absent),
    };
  } catch (error) {
    const absentee = Promise.resolve(absent(error));
    return { matmul: () => absentee, conv: () => absentee };
  }
}

export function outSize({ size, kernel, stride, padding }: ConvShape): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1;
}

/** The weight is a constant of the model, which lets the runtime prepare it. */
async function loadOnnxRuntime(): Promise<Peer> {
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web");
  env.wasm.numThreads = 1;
  const who = "onnxruntime-web";
  const contestant = async (model: OneNodeModel, data: Float32Array): Promise<Contestant> => {
    const session = await InferenceSession.create(oneNodeModel(model));
    const [name, shape] = Object.entries(model.inputs)[0];
    const feeds = { [name]: new Tensor("float32", data, [...shape]) };
    return {
      who,
      async run() {
        await (await session.run(feeds)).y.getData();
      },
    };
  };
  return {
    matmul: (m, k, n, a, b) =>
      contestant(
        { op: "MatMul", inputs: { a: [m, k] }, constants: { b: { shape: [k, n], data: b } }, output: [m, n] },
        a,
      ),
    conv(shape, input, weight) {
      const { batch, inChannels, outChannels, size, kernel, stride, padding } = shape;
      const out = outSize(shape);
      return contestant(
        {
          op: "Conv",
          inputs: { x: [batch, inChannels, size, size] },
          constants: { w: { shape: [outChannels, inChannels, kernel, kernel], data: weight } },
          output: [batch, outChannels, out, out],
          attributes: {
            kernel_shape: [kernel, kernel],
            strides: [stride, stride],
            pads: [padding, padding, padding, padding],
          },
        },
        input,
      );
    },
  };
}

/** Images have their channels last here, as this library wants them. */
async function loadTensorflow(): Promise<Peer> {
  const tf = await import("@tensorflow/tfjs-core");
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${dirname(entry)}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend did not start");
  const who = "tfjs-backend-wasm";
  return {
    async matmul(m, k, n, a, b) {
      const [left, right] = [tf.tensor2d(a, [m, k]), tf.tensor2d(b, [k, n])];
      return {
        who,
        run() {
          const product = tf.matMul(left, right);
          product.dataSync();
          product.dispose();
        },
      };
    },
    async conv({ batch, inChannels, outChannels, size, kernel, stride, padding }, input, weight) {
      const x = tf.transpose(tf.tensor4d(input, [batch, inChannels, size, size]), [0, 2, 3, 1]) as ReturnType<
        typeof tf.tensor4d
      >;
      const w = tf.transpose(tf.tensor4d(weight, [outChannels, inChannels, kernel, kernel]), [2, 3, 1, 0]) as typeof x;
      return {
        who,
        run() {
          const y = tf.conv2d(x, w, stride, padding);
          y.dataSync();
          y.dispose();
        },
      };
    },
  };
}
