/** The block in jax-js on its WebAssembly backend, compiled by its `jit`. Functions consume their arguments; `.ref` keeps an array alive. */
import { init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { answerRequests, parseCommandLine } from '../serve.ts';
import { a, BATCH, b, HEADS, library, parameterCount, parameters, TOKENS, target, WIDTH, x } from './block.js';

await init('cpu', 'wasm');

const linear = (x, w, bias) => np.matmul(x, np.transpose(w)).add(bias);

function layerNorm(x, gain, bias) {
  const centered = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(np.square(centered.ref), -1, { keepdims: true });
  return centered
    .div(np.sqrt(variance.add(1e-5)))
    .mul(gain)
    .add(bias);
}

/** Consumes x and p. */
function block(p, x) {
  const qkv = linear(
    layerNorm(x.ref, p['ln_1.weight'], p['ln_1.bias']),
    p['attn.in_proj_weight'],
    p['attn.in_proj_bias'],
  );
  const heads = qkv.reshape([BATCH, TOKENS, 3, HEADS, WIDTH / HEADS]).transpose([2, 0, 3, 1, 4]);
  const [q, k, v] = np.split(heads, 3, 0).map((part) => part.reshape([BATCH, HEADS, TOKENS, WIDTH / HEADS]));
  const weights = nn.softmax(np.matmul(q, k.transpose([0, 1, 3, 2])).mul((WIDTH / HEADS) ** -0.5), -1);
  const mixed = np.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([BATCH, TOKENS, WIDTH]);
  const y = x.add(linear(mixed, p['attn.out_proj.weight'], p['attn.out_proj.bias']));
  const normed = layerNorm(y.ref, p['ln_2.weight'], p['ln_2.bias']);
  const hidden = nn.gelu(linear(normed, p['mlp.c_fc.weight'], p['mlp.c_fc.bias']), { approximate: false });
  return y.add(linear(hidden, p['mlp.c_proj.weight'], p['mlp.c_proj.bias']));
}

const array = (shape, values) => np.array(values).reshape(shape);
const input = () => array([BATCH, TOKENS, WIDTH], x);

async function training() {
  const lossAndGradient = valueAndGrad((p, x, target) => np.mean(np.square(block(p, x).sub(target))));
  const update = jit((p, m, v, rate, unbias, x, target) => {
    const [loss, g] = lossAndGradient(tree.ref(p), x, target);
    const newM = tree.map((m, g) => m.mul(0.9).add(g.mul(0.1)), m, tree.ref(g));
    const newV = tree.map((v, g) => v.mul(0.999).add(np.square(g).mul(0.001)), v, g);
    const newP = tree.map(
      (p, m, v) => p.sub(m.mul(rate.ref).div(np.sqrt(v).mul(unbias.ref).add(1e-8))),
      p,
      tree.ref(newM),
      tree.ref(newV),
    );
    rate.dispose();
    unbias.dispose();
    return [loss, newP, newM, newV];
  });
  const zeros = () => parameters((shape) => np.zeros(shape));
  let [p, m, v] = [parameters(array), zeros(), zeros()];
  const [inputs, targets] = [input(), array([BATCH, TOKENS, WIDTH], target)];
  let t = 0;
  const run = async () => {
    t++;
    const [rate, unbias] = [np.array(1e-3 / (1 - 0.9 ** t)), np.array(1 / Math.sqrt(1 - 0.999 ** t))];
    const [loss, ...next] = update(p, m, v, rate, unbias, inputs.ref, targets.ref);
    [p, m, v] = next;
    return (await loss.data())[0];
  };
  return { run, check: [await run(), await run()], parameters: parameterCount };
}

async function forward() {
  const params = parameters(array);
  const inputs = input();
  const compiled = jit(block);
  const run = () => compiled(tree.ref(params), inputs.ref).data();
  return { run, check: await run(), parameters: parameterCount };
}

async function matmul() {
  const [left, right] = [array([512, 512], a), array([512, 512], b)];
  const run = () => np.matmul(left.ref, right.ref).data();
  return { run, check: await run() };
}

await answerRequests(library('@jax-js/jax'), await { training, forward, matmul }[parseCommandLine().name]());
