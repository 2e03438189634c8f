/** The block in js-pytorch: plain JavaScript over nested arrays. */
import { torch } from 'js-pytorch';
import { answerRequests, parseCommandLine } from '../serve.ts';
import { a, BATCH, b, HEADS, library, parameterCount, parameters, TOKENS, target, WIDTH, x } from './block.js';

const nested = (values, [size, ...rest]) => {
  if (rest.length === 0) return Array.from(values);
  const step = values.length / size;
  return Array.from({ length: size }, (_, i) => nested(values.subarray(i * step, (i + 1) * step), rest));
};
const tensor = (values, shape, learn = false) => torch.tensor(nested(values, shape), learn);
const linear = (x, w, bias) => torch.add(torch.matmul(x, torch.transpose(w, 0, 1)), bias);

function layerNorm(x, gain, bias) {
  const centered = x.sub(torch.mean(x, -1, true));
  const variance = torch.mean(torch.mul(centered, centered), -1, true);
  return torch.add(torch.mul(torch.div(centered, torch.sqrt(torch.add(variance, 1e-5))), gain), bias);
}

/** GELU's tanh approximation, x σ(1.6 (x + 0.0447 x³)): the library has no erf. Differs from the exact GELU by less than 5e-4. */
function gelu(x) {
  const z = torch.mul(torch.add(x, torch.mul(torch.mul(torch.mul(x, x), x), 0.044715)), -2 * 0.7978845608);
  return torch.div(x, torch.add(torch.exp(z), 1));
}

const heads = (x) => torch.transpose(torch.reshape(x, [BATCH, TOKENS, HEADS, WIDTH / HEADS]), 1, 2);
const softmax = new torch.nn.Softmax();

function block(p, x) {
  const normed = layerNorm(x, p['ln_1.weight'], p['ln_1.bias']);
  const [q, k, v] = [0, 1, 2].map((i) => heads(linear(normed, p[`qkv.${i}.weight`], p[`qkv.${i}.bias`])));
  const scores = torch.mul(torch.matmul(q, torch.transpose(k, -2, -1)), (WIDTH / HEADS) ** -0.5);
  const mixed = torch.transpose(torch.matmul(softmax.forward(scores, -1), v), 1, 2);
  const attended = linear(
    torch.reshape(mixed, [BATCH, TOKENS, WIDTH]),
    p['attn.out_proj.weight'],
    p['attn.out_proj.bias'],
  );
  const y = torch.add(x, attended);
  const hidden = gelu(linear(layerNorm(y, p['ln_2.weight'], p['ln_2.bias']), p['mlp.c_fc.weight'], p['mlp.c_fc.bias']));
  return torch.add(y, linear(hidden, p['mlp.c_proj.weight'], p['mlp.c_proj.bias']));
}

/** Splits the packed projection into three tensors, because slices have no gradient here. */
function learned() {
  const result = {};
  for (const [name, [shape, values]] of Object.entries(parameters((shape, values) => [shape, values]))) {
    if (!name.includes('in_proj')) {
      result[name] = tensor(values, shape, true);
      continue;
    }
    const part = values.length / 3;
    const kind = name.endsWith('weight') ? 'weight' : 'bias';
    for (const i of [0, 1, 2]) {
      result[`qkv.${i}.${kind}`] = tensor(values.subarray(i * part, (i + 1) * part), [WIDTH, ...shape.slice(1)], true);
    }
  }
  return result;
}

function training() {
  const params = learned();
  const shape = [BATCH, TOKENS, WIDTH];
  const [input, targets] = [tensor(x, shape), tensor(target, shape)];
  const optimizer = new torch.optim.Adam(Object.values(params), 1e-3, 0, [0.9, 0.999], 1e-8);
  const run = () => {
    const difference = block(params, input).sub(targets);
    const loss = torch.mean(torch.reshape(torch.mul(difference, difference), [BATCH * TOKENS * WIDTH]), 0);
    loss.backward();
    optimizer.step();
    optimizer.zero_grad();
    return Number([loss.data].flat(Infinity)[0]);
  };
  return { run, check: [run(), run()], parameters: parameterCount };
}

function forward() {
  const params = learned();
  const input = tensor(x, [BATCH, TOKENS, WIDTH]);
  const run = () => block(params, input);
  return { run, check: run().data.flat(Infinity), parameters: parameterCount };
}

function matmul() {
  const [left, right] = [tensor(a, [512, 512]), tensor(b, [512, 512])];
  const run = () => torch.matmul(left, right);
  return { run, check: run().data.flat(Infinity) };
}

await answerRequests(library('js-pytorch'), await { training, forward, matmul }[parseCommandLine().name]());
