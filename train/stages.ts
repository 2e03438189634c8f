/** The stages in one place. */
import { diffusion } from './diffusion.ts';
import { finetune } from './finetune.ts';
import { generator } from './generator.ts';
import { generator2d } from './generator2d.ts';
import { single } from './single.ts';
import type { Stage, StageName } from './stage.ts';
import { teacher } from './teacher.ts';
import { warmup } from './warmup.ts';

/** 'warmup' → the stage `warmup` */
export const stages: Readonly<Record<StageName, Stage>> = {
  teacher,
  warmup,
  finetune,
  single,
  generator,
  generator2d,
  diffusion,
};
