/** The block's forward pass in onnxruntime-web, from an ONNX file that PyTorch exports. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-web';
import { python } from '../launch.ts';
import { answerRequests, parseCommandLine } from '../serve.ts';
import { BATCH, library, parameterCount, TOKENS, WIDTH, x } from './block.js';

async function forward() {
  const folder = mkdtempSync(join(tmpdir(), 'titok-bench-'));
  const file = join(folder, 'block.onnx');
  execFileSync(python, [fileURLToPath(new URL('../pytorch/export_block.py', import.meta.url)), file], {
    stdio: 'pipe',
  });
  const model = readFileSync(file);
  rmSync(folder, { recursive: true });
  ort.env.wasm.numThreads = parseCommandLine().threads;
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  const input = new ort.Tensor('float32', x, [BATCH, TOKENS, WIDTH]);
  const run = async () => (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]].data;
  return { run, check: await run(), parameters: parameterCount };
}

await answerRequests(library('onnxruntime-web'), await { forward }[parseCommandLine().name]());
