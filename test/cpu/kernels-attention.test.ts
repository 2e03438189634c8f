/** Attention and its gradient against float64, at sizes that need one block of query rows and several. */
import { test } from 'node:test';
import { assertClose, harness, randomValues } from './harness.ts';

const random = randomValues(4);
const { run } = harness({ threads: 2 });

function oracle(qkv: Float32Array, g: Float32Array, B: number, T: number, D: number, heads: number) {
  const d = D / heads;
  const y = new Float64Array(B * T * D);
  const dqkv = new Float64Array(B * T * 3 * D);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < heads; h++) {
      const at = (part: number, t: number, c: number) => ((b * T + t) * 3 + part) * D + h * d + c;
      const out = (t: number, c: number) => (b * T + t) * D + h * d + c;
      for (let t = 0; t < T; t++) {
        const p = Array.from({ length: T }, (_, u) => {
          let s = 0;
          for (let c = 0; c < d; c++) s += qkv[at(0, t, c)] * qkv[at(1, u, c)];
          return Math.exp(s / Math.sqrt(d));
        });
        const z = p.reduce((s, e) => s + e, 0);
        const dp = p.map((e, u) => {
          p[u] = e / z;
          let s = 0;
          for (let c = 0; c < d; c++) {
            y[out(t, c)] += p[u] * qkv[at(2, u, c)];
            s += g[out(t, c)] * qkv[at(2, u, c)];
            dqkv[at(2, u, c)] += p[u] * g[out(t, c)];
          }
          return s;
        });
        const inner = p.reduce((s, e, u) => s + e * dp[u], 0);
        p.forEach((e, u) => {
          const ds = (e * (dp[u] - inner)) / Math.sqrt(d);
          for (let c = 0; c < d; c++) {
            dqkv[at(0, t, c)] += ds * qkv[at(1, u, c)];
            dqkv[at(1, u, c)] += ds * qkv[at(0, t, c)];
          }
        });
      }
    }
  return { y, dqkv };
}

for (const [B, T, D, heads] of [
  [1, 1, 1, 1],
  [2, 17, 10, 2],
  [1, 33, 36, 3],
  [1, 97, 64, 2],
  [1, 263, 10, 1],
  [1, 400, 32, 1],
] as const)
  test(`attention ${[B, T, D]}, ${heads} heads`, () => {
    const [qkv, g] = [random([B, T, 3 * D], (u) => 2 * u), random([B, T, D])];
    const want = oracle(qkv.data, g.data, B, T, D, heads);
    assertClose(run('selfAttention', [B, T, D], qkv, { heads }), want.y, 1e-5, 'y');
    assertClose(run('selfAttentionGrad', [B, T, 3 * D], qkv, g, { heads }), want.dqkv, 2e-5, 'dqkv');
  });

test('a NaN key spoils its head of its batch entry only', () => {
  const qkv = random([2, 5, 12], (u, i) => (i === 4 ? NaN : u)); // k of batch 0, head 0
  const y = run('selfAttention', [2, 5, 4], qkv, { heads: 2 });
  y.forEach((value, i) => {
    const spoiled = i < 20 && i % 4 < 2;
    if (Number.isNaN(value) !== spoiled) throw new Error(`value ${i}: got ${value}`);
  });
});
