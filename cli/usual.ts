/** Says at the end of a stage whether its figures are usual for its preset. */
import { isDeepStrictEqual } from 'node:util';
import { type ChangesOf, parseSettings, presets, type Run, type Stage, type StageRow, usual } from '../train/index.ts';

const shown: Readonly<Record<string, { readonly name: string; readonly unit: string; readonly digits: number }>> = {
  loss: { name: 'loss', unit: '', digits: 2 },
  psnr: { name: 'PSNR', unit: ' dB', digits: 1 },
  fd: { name: 'FD', unit: '', digits: 1 },
};

/**
 * 'warmup: loss 2.01, PSNR 18.1 dB, FD 34.9: as usual for preset tiny.'; undefined for a training that no figures are known
 * of: other images, settings or stages than a preset's.
 */
export function remarkOn<S extends Stage>(
  run: Pick<Run, 'meta'>,
  stage: S,
  changes: ChangesOf<S>,
  row: StageRow,
  known: typeof usual = usual,
): string | undefined {
  const { preset: name, origin } = run.meta(stage);
  const preset = Object.entries(presets).find(([other]) => other === name);
  const ranges = preset && known[preset[0] as keyof typeof presets]?.[stage.name];
  if (!ranges || origin?.data.source?.path !== 'emoji') return undefined;
  const complete = (settings: unknown) => parseSettings(stage.settings, settings as object, stage.name);
  if (!isDeepStrictEqual(complete(changes), complete(preset[1][stage.name]))) return undefined;

  const figures = Object.keys(ranges).filter((figure) => typeof row[figure] === 'number');
  const text = (figure: string, value: number) => {
    const { name, unit, digits } = shown[figure];
    return `${name} ${value.toFixed(digits)}${unit}`;
  };
  const strange = figures.filter((figure) => {
    const [low, high] = ranges[figure];
    return (row[figure] as number) < low || (row[figure] as number) > high;
  });
  const values = figures.map((figure) => text(figure, row[figure] as number)).join(', ');
  if (strange.length === 0) return `${stage.name}: ${values}: as usual for preset ${preset[0]}.`;
  const expected = strange.map((figure) => {
    const { name, unit, digits } = shown[figure];
    return `${name} ${ranges[figure].map((bound) => bound.toFixed(digits)).join(' to ')}${unit}`;
  });
  return `${stage.name}: ${values}. Usual for preset ${preset[0]}: ${expected.join(', ')}; what that may mean is in docs/what-to-expect.md.`;
}
