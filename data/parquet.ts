/** Parquet files as a dataset: their pictures, and the classes that a column beside them tells. */
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';
import { openParquet, type ParquetFile } from './parquet-file.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { splitOf } from './split.ts';

const classColumns = ['label', 'labels', 'fine_label', 'class', 'cls'];

/**
 * Lists the pictures of Parquet files: from their metadata and the headers of their pages.
 *
 * @throws DataError for files without a column of pictures, or damaged ones
 */
export async function readParquet(paths: readonly string[], root: string): Promise<Samples> {
  const samples: Sample[] = [];
  let names: readonly string[] | undefined;
  for (const path of paths) {
    const file = await openParquet(path);
    const column = classColumns.find((name) => file.columns.includes(name));
    const own = column === undefined ? undefined : classNames(path, file, column);
    names ??= own;
    const labels = column && (await file.values(column)).map((value) => classOf(value, own, `${path}, ${column}`));
    const name = nameBelow(root, path);
    const split = splitOf(name);
    for (const [row, source] of (await file.cells()).entries())
      samples.push({ source, name: `${name}#${row}`, split, ...(labels && { className: labels[row] }) });
  }
  return { samples, ...(names && { classes: names }) };
}

/** 'datasets' writes its types as JSON. */
function classNames(path: string, { metadata }: ParquetFile, column: string): readonly string[] | undefined {
  const text = metadata.get('huggingface');
  if (text === undefined) return undefined;
  try {
    const names = JSON.parse(text)?.info?.features?.[column]?.names;
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
  } catch (error) {
    throw new DataError(`${path}: expected JSON in the metadata 'huggingface', got ${reason(error)}. Is it damaged?`);
  }
}

function classOf(given: unknown, names: readonly string[] | undefined, where: string): string {
  const value = given instanceof Uint8Array ? new TextDecoder().decode(given) : given;
  if (typeof value === 'string' && value !== '') return value;
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN;
  const name = names ? names[number] : String(number);
  if (Number.isInteger(number) && number >= 0 && name !== undefined) return name;
  const range = names ? `0..${names.length - 1}` : 'whole numbers from 0, or text';
  throw new DataError(`${where}: expected ${range}, got ${value === '' ? 'an empty text' : value}.`);
}
