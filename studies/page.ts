/** docs/studies/NAME.md and NAME.svg, which follow from the study and its results alone. */
import { type Budget, budgets } from './budgets.ts';
import { type Dot, type Panel, svgOf } from './chart.ts';
import { type Claim, criterion, type Judged, judge, type Term } from './claims.ts';
import { type FigureName, figures } from './figures.ts';
import type { Results } from './results.ts';
import type { Row } from './row.ts';
import { durationOf, summaryOf } from './statistics.ts';
import type { Plan, Study } from './study.ts';

/** The charts of a study. */
export function chartOf(study: Study, { rows }: Plan, { runs }: Results): string {
  const { over, lines: by } = study.chart;
  const places: readonly (string | number)[] =
    over === undefined ? rows.map(({ name }) => name) : numbersOf(rows, over);
  const lineOf = (row: Row) => (by === undefined ? '' : String(row.varies[by]));
  const panels = study.chart.figures.map((figure): Panel => {
    const lines = [...new Set(rows.map(lineOf))].map((name) => ({
      name,
      dots: rows
        .filter((row) => lineOf(row) === name && (over === undefined || row.varies[over] !== undefined))
        .flatMap((row): Dot[] => {
          const summary = summaryOf(runs, row.name, figure);
          const place = places.indexOf(over === undefined ? row.name : row.varies[over]);
          return summary ? [{ ...summary, place }] : [];
        }),
    }));
    return { title: figures[figure].title, places, over, lines: lines.filter(({ dots }) => dots.length > 0) };
  });
  return svgOf(study.title, panels);
}

const numbersOf = (rows: readonly Row[], over: string): number[] =>
  [...new Set(rows.flatMap((row) => (row.varies[over] === undefined ? [] : [Number(row.varies[over])])))].sort(
    (a, b) => a - b,
  );

/**
 * The page of a study.
 *
 * @param pictures  whether there is a NAME.png
 */
export function pageOf(study: Study, results: Results, pictures: boolean): string {
  const budget: Budget = budgets[results.preset as keyof typeof budgets];
  const { rows, claims } = study.plan(budget);
  const { name, title, source, about, findings } = study;
  const { seeds, runs, preset, seconds, machine, command } = results;
  const judged = claims.map((claim) => judge(claim, runs));
  return [
    `# ${title}`,
    '',
    `${about}`,
    '',
    `Source: ${source}. The paper's figures are quoted from texts that cite its tables, not from the paper itself; they are of ImageNet at 256 × 256 pixels with Inception's FID. Ours are of ${results.data === 'emoji' ? 'emoji' : 'other pictures'} at a few dozen pixels, and no FID. Compare orders, not values.`,
    '',
    '## Verdicts',
    '',
    '| claim | in the paper | here | verdict |',
    '| --- | --- | --- | --- |',
    ...claims.map((claim, i) =>
      line([claim.says, claim.paper ?? 'not shown', evidenceOf(claim, rows, results), `**${judged[i].verdict}**`]),
    ),
    '',
    ...(findings ? [findings, ''] : []),
    `## Figures`,
    '',
    ...tableOf(study, rows, results),
    '',
    `Mean ± standard deviation of ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}. ${study.columns.map((column) => `*${figures[column].title}*: ${figures[column].about}.`).join(' ')}`,
    '',
    `![${title}: figures](${name}.svg)`,
    '',
    ...(pictures ? [`![${title}: ${study.pictures}](${name}.png)`, ''] : []),
    '## Tests',
    '',
    criterion,
    '',
    ...judged.flatMap(testsOf),
    '## How to repeat it',
    '',
    '```sh',
    command,
    '```',
    '',
    `Preset \`${preset}\` (${budget.about}), ${runs.length} runs, ${durationOf(seconds)} on ${machine}; trainings that another study had done before are not counted. ` +
      `[${name}.json](${name}.json) has the settings and figures of every run. The study is declared in \`studies/${name}.ts\`.`,
    '',
  ].join('\n');
}

const mostShown = 4; // figures behind a claim

/** The figures of a claim's rows, or of those of its first test: 'FD 35.1 ± 0.2 (S, 4 tokens), 31.2 ± 0.3 (L, 4 tokens)'. */
function evidenceOf({ tests }: Claim, rows: readonly Row[], results: Measurements): string {
  const place = (name: string) => rows.findIndex((row) => row.name === name);
  const known = (terms: readonly Term[]) =>
    [...new Map(terms.map(({ figure, row }) => [`${figure} ${row}`, { figure, row }])).values()].sort(
      (a, b) => place(a.row) - place(b.row),
    );
  const all = known(tests.flatMap(({ terms }) => terms));
  const shown = all.length > mostShown ? known(tests[0].terms) : all;
  const text = shown.map(({ figure, row }, i) => {
    const title = i === 0 || shown[i - 1].figure !== figure ? `${figures[figure].title} ` : '';
    return `${title}${cell(results, row, figure)} (${row})`;
  });
  return `${text.join(', ')}${shown.length < all.length ? ', …' : ''}`;
}

/**
 * Verdicts on the paper's claims, of several studies in one table, for README.md.
 *
 * @param folder  of their pages, as seen from the table
 */
export function overviewOf(all: readonly (readonly [Study, Results])[], folder: string): string {
  if (all.length === 0) return '';
  const lines = all.flatMap(([study, results]) => {
    const { preset, runs, command } = results;
    const { rows, claims } = study.plan(budgets[preset as keyof typeof budgets]);
    return claims.flatMap((claim) => {
      if (claim.paper === undefined) return [];
      const page = `[${judge(claim, runs).verdict}](${folder}/${study.name}.md)`;
      return line([claim.says, claim.paper, evidenceOf(claim, rows, results), page, `\`${command}\``]);
    });
  });
  const header = ['claim', 'in the paper', 'here', 'verdict', 'command'];
  return [line(header), line(header.map(() => '---')), ...lines].join('\n');
}

function tableOf({ columns }: Study, rows: readonly Row[], results: Measurements): string[] {
  const varies = [...new Set(rows.flatMap((row) => Object.keys(row.varies)))];
  const published = columns.filter((column) => rows.some(({ paper }) => paper?.figures[column] !== undefined));
  const hasPaper = rows.some(({ paper }) => paper);
  const header = [
    ...(varies.length > 0 ? varies : ['row']),
    ...columns.map((column) => figures[column].title),
    ...(hasPaper
      ? ["the paper's", ...published.map((column) => publishedTitles[column] ?? figures[column].title)]
      : []),
  ];
  const lines = rows.map((row) => [
    ...(varies.length > 0 ? varies.map((name) => String(row.varies[name] ?? '–')) : [row.name]),
    ...columns.map((column) => cell(results, row.name, column)),
    ...(hasPaper
      ? [row.paper?.row ?? '–', ...published.map((column) => String(row.paper?.figures[column] ?? '–'))]
      : []),
  ]);
  return [
    line(header),
    line(header.map((_, i) => (i < Math.max(1, varies.length) ? '---' : '--:'))),
    ...lines.map(line),
  ];
}

/** What the paper calls its figures. */
const publishedTitles: Readonly<Partial<Record<FigureName, string>>> = { fd: 'rFID', sampleFd: 'gFID' };

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

type Measurements = Pick<Results, 'runs' | 'seeds'>;

/** '35.1 ± 0.2', with how many seeds have the figure where not all do. */
function cell({ runs, seeds }: Measurements, row: string, figure: FigureName): string {
  const summary = summaryOf(runs, row, figure);
  if (!summary) return '–';
  const { digits } = figures[figure];
  const mean = summary.mean.toFixed(digits);
  const count = summary.values.length;
  const some = count < seeds ? ` (${count} of ${seeds} seeds)` : '';
  return `${mean}${count > 1 ? ` ± ${summary.deviation.toFixed(digits)}` : ''}${some}`;
}

/** '- FD of A < that of B: 3 of 3 seeds, by 4.21' */
function testsOf({ says, verdict, tests }: Judged): string[] {
  const lines = tests.map(({ says, sums }) => {
    if (sums.length === 0) return `- ${says}: not measured`;
    const mean = sums.reduce((sum, x) => sum + x, 0) / sums.length;
    return `- ${says}: in ${sums.filter((sum) => sum > 0).length} of ${sums.length}, by ${Number(mean.toPrecision(3))} in the mean`;
  });
  return [`**${says}** – ${verdict}`, '', ...lines, ''];
}
