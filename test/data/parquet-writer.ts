/** Parquet files as the Hugging Face hub has them, made with hyparquet-writer. */
import { parquetWriteBuffer } from 'hyparquet-writer';

/** How a file is laid out; default: row groups of two, Snappy. */
export type ParquetLayout = Pick<
  Parameters<typeof parquetWriteBuffer>[0],
  'codec' | 'compressors' | 'rowGroupSize' | 'pageSize'
>;

/** A file of pictures with their classes. @param names  of the classes */
export function hubParquet(
  pictures: readonly Uint8Array[],
  labels: readonly number[],
  names: readonly string[],
  layout: ParquetLayout = {},
): Uint8Array {
  const features = { image: { _type: 'Image' }, label: { names, _type: 'ClassLabel' } };
  const buffer = parquetWriteBuffer({
    schema: [
      { name: 'schema', num_children: 2 },
      { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'bytes', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY' },
      { name: 'path', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      { name: 'label', repetition_type: 'OPTIONAL', type: 'INT64' },
    ],
    columnData: [
      { name: 'image', data: pictures.map((bytes, i) => ({ bytes, path: `${i}.png` })) },
      { name: 'label', data: labels.map(BigInt) },
    ],
    ...{ rowGroupSize: 2, codec: 'SNAPPY', ...layout },
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  return new Uint8Array(buffer);
}
