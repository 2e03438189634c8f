/**
 * Trains a small TiTok on several devices from the same start, and prints the losses side by side.
 *
 *   npm run devices:train -- cpu webasm webgpu --steps 50
 */
import { trainOn } from './training.ts';

const args = process.argv.slice(2);
const at = args.indexOf('--steps');
const steps = at < 0 ? 50 : Number(args.splice(at, 2)[1]);
const names = args.length > 0 ? args : ['cpu', 'gpujs-cpu', 'webasm', 'webgpu'];
const marks = [0, Math.floor(steps / 3), steps - 1];
console.log(`device       ${marks.map((m) => `loss ${m + 1}`.padStart(12)).join('')}   ms/step   launches/step`);
for (const name of names) {
  const { losses, msPerStep, launches } = await trainOn(name, steps);
  const values = marks.map((m) => losses[m]!.toFixed(6).padStart(12)).join('');
  console.log(`${name.padEnd(13)}${values}${msPerStep.toFixed(0).padStart(10)}${String(launches || '').padStart(16)}`);
}
process.exit(0);
