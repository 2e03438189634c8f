/** The block in TensorFlow.js on its WebAssembly backend. */
import { createRequire } from 'node:module';
import * as wasm from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { answerRequests, parseCommandLine } from '../serve.ts';
import { a, BATCH, b, HEADS, library, parameterCount, parameters, TOKENS, target, WIDTH, x } from './block.js';

createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients'); // the main module does not register any
wasm.setWasmPaths(new URL('node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url).pathname);
await tf.setBackend('wasm');

const rows = BATCH * TOKENS;
const linear = (x, w, bias) => tf.add(tf.matMul(x, w, false, true), bias);

function layerNorm(x, gain, bias) {
  const mean = tf.mean(x, -1, true);
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centered), -1, true);
  return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, 1e-5))), gain), bias);
}

const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

/** x, result [rows, width] */
function block(p, x) {
  const qkv = linear(layerNorm(x, p['ln_1.weight'], p['ln_1.bias']), p['attn.in_proj_weight'], p['attn.in_proj_bias']);
  const parts = tf.transpose(tf.reshape(qkv, [BATCH, TOKENS, 3 * HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(parts, 3, 1); // [batch, heads, tokens, headDim]
  const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), (WIDTH / HEADS) ** -0.5));
  const mixed = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [rows, WIDTH]);
  const y = tf.add(x, linear(mixed, p['attn.out_proj.weight'], p['attn.out_proj.bias']));
  const hidden = gelu(linear(layerNorm(y, p['ln_2.weight'], p['ln_2.bias']), p['mlp.c_fc.weight'], p['mlp.c_fc.bias']));
  return tf.add(y, linear(hidden, p['mlp.c_proj.weight'], p['mlp.c_proj.bias']));
}

async function training() {
  const params = parameters((shape, values) => tf.variable(tf.tensor(values, shape)));
  const [input, targets] = [tf.tensor(x, [rows, WIDTH]), tf.tensor(target, [rows, WIDTH])];
  const optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-8);
  const run = async () => {
    const loss = optimizer.minimize(() => tf.mean(tf.square(tf.sub(block(params, input), targets))), true);
    const [value] = await loss.data();
    loss.dispose();
    return value;
  };
  return { run, check: [await run(), await run()], parameters: parameterCount };
}

async function forward() {
  const params = parameters((shape, values) => tf.tensor(values, shape));
  const input = tf.tensor(x, [rows, WIDTH]);
  const run = async () => {
    const y = tf.tidy(() => block(params, input));
    const values = await y.data();
    y.dispose();
    return values;
  };
  return { run, check: await run(), parameters: parameterCount };
}

async function matmul() {
  const [left, right] = [tf.tensor(a, [512, 512]), tf.tensor(b, [512, 512])];
  const run = async () => {
    const y = tf.matMul(left, right);
    const values = await y.data();
    y.dispose();
    return values;
  };
  return { run, check: await run() };
}

await answerRequests(
  library('@tensorflow/tfjs-backend-wasm'),
  await { training, forward, matmul }[parseCommandLine().name](),
);
