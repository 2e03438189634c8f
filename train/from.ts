/** What --from decides: a training that goes on from a model keeps its sizes. */
import type { StageName } from './stage.ts';

const ofGenerator: readonly string[] = ['architecture', 'width', 'layers', 'heads', 'mlpWidth'];

/** Whether the model that a stage goes on from decides a setting, so that it cannot be given as well. */
export function isDecidedByModel(stage: StageName, [name, part]: readonly string[]): boolean {
  if (stage === 'single') return name === 'model' || name === 'continuousSteps';
  if (stage === 'finetune') return name === 'sharpness';
  return stage === 'generator' && name === 'generator' && ofGenerator.includes(part);
}
