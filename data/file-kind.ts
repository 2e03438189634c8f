/** What a file is by its first bytes, whatever its name says, for errors that name the kind and the way on. */

/** How many bytes of a file `fileKind` looks at. */
export const headBytes = 1024;

/** A kind of file. */
export interface FileKind {
  /** With its article: 'a PNG picture', 'a zip archive'. */
  readonly name: string;
  /** A picture; 'decoded': sharp reads it. */
  readonly picture?: 'decoded' | 'unknown';
  /** What to do with it where something else is expected. */
  readonly advice?: string;
}

type Test = (head: Uint8Array, text: string) => boolean;

const at =
  (offset: number, magic: string): Test =>
  (_, text) =>
    text.startsWith(magic, offset);
const oneOf =
  (...tests: Test[]): Test =>
  (head, text) =>
    tests.some((test) => test(head, text));
const both =
  (...tests: Test[]): Test =>
  (head, text) =>
    tests.every((test) => test(head, text));
const begins =
  (pattern: RegExp): Test =>
  (_, text) =>
    pattern.test(text);
/** ISO media: 'ftyp' and a brand, the major one or a compatible one. */
const brand =
  (pattern: RegExp): Test =>
  (_, text) =>
    text.startsWith('ftyp', 4) && pattern.test(text.slice(8, 40));

/** After a byte order mark, declarations and comments: a tag. Each part ends in one place only, so that matching is fast. */
const markup = (tag: string): Test => {
  const before = ['\\?(?:(?!\\?>)[^])*\\?>', '!--(?:(?!-->)[^])*-->', '!doctype\\s+svg[^>]*>'].map(
    (part) => `<${part}\\s*`,
  );
  return begins(new RegExp(`^(?:\\xef\\xbb\\xbf)?\\s*(?:${before.join('|')})*<${tag}`, 'i'));
};

const download = 'It is often what a server sends in place of a file: download it again.';
const unpack = 'Unpack it first.';
const convert = 'Save it as PNG or JPEG.';
const python = 'Convert it to safetensors in Python.';
const torch =
  "Convert it in Python: safetensors.torch.save_file(torch.load(PATH, map_location='cpu'), 'model.safetensors').";

const article = (name: string) => (/^(AVIF|SVG|OpenEXR)/.test(name) ? 'an' : 'a');
const zip = at(0, 'PK\x03\x04');

const decoded = (name: string, test: Test): [Test, FileKind] => [
  test,
  { name: `${article(name)} ${name} picture`, picture: 'decoded' },
];
const unknown = (name: string, test: Test): [Test, FileKind] => [
  test,
  { name: `${article(name)} ${name} picture`, picture: 'unknown', advice: convert },
];
const other = (name: string, test: Test, advice?: string): [Test, FileKind] => [
  test,
  { name, ...(advice !== undefined && { advice }) },
];

/** A zip archive that torch.save wrote. */
export const torchKind: FileKind = { name: 'a PyTorch file', advice: torch };
/** What torch.save wrote before version 1.6. */
export const oldTorchKind: FileKind = { name: 'a PyTorch file from before version 1.6', advice: torch };
/** A zip archive that np.savez wrote. */
export const npzKind: FileKind = { name: 'a NumPy archive', advice: python };
export const gzipKind: FileKind = { name: 'a gzip archive', advice: unpack };
export const tarKind: FileKind = { name: 'a tar archive', advice: unpack };
export const parquetKind: FileKind = { name: 'a Parquet file' };
/** JSON that says which tensors are in which file. */
export const indexKind: FileKind = { name: 'an index of weights', advice: 'Name its folder as --model.' };

/** The first match counts. */
const kinds: readonly [Test, FileKind][] = [
  other('an empty file', ({ length }) => length === 0, 'Was the download or copy cut short?'),
  other('a file of zeros', (head) => head.length > 8 && head.every((byte) => byte === 0), 'Copy or download it again.'),

  decoded('PNG', at(0, '\x89PNG\r\n\x1a\n')),
  decoded('JPEG', at(0, '\xff\xd8\xff')),
  decoded('WebP', both(at(0, 'RIFF'), at(8, 'WEBP'))),
  decoded('GIF', oneOf(at(0, 'GIF87a'), at(0, 'GIF89a'))),
  decoded('TIFF', oneOf(at(0, 'II*\0'), at(0, 'MM\0*'), at(0, 'II+\0'), at(0, 'MM\0+'))),
  decoded('AVIF', brand(/avi[fs]/)),
  unknown('HEIC', brand(/hei[cxms]|hev[cxms]|mif1|msf1/)),
  unknown('JPEG XL', oneOf(at(0, '\xff\x0a'), at(4, 'JXL \r\n\x87\n'))),
  unknown('JPEG 2000', oneOf(at(0, '\xff\x4f\xff\x51'), at(4, 'jP  \r\n\x87\n'))),
  unknown('BMP', both(at(0, 'BM'), at(6, '\0\0\0\0'))),
  unknown('Windows icon', oneOf(at(0, '\0\0\x01\0'), at(0, '\0\0\x02\0'))),
  unknown('Photoshop', at(0, '8BPS')),
  unknown('PNM', begins(/^P[1-7]\s/)),
  unknown('OpenEXR', at(0, 'v/1\x01')),
  unknown('Radiance', at(0, '#?RADIANCE')),
  unknown('DirectDraw', at(0, 'DDS ')),

  [both(zip, begins(/^.{30}[^\0]*?\.npy/s)), npzKind],
  [both(zip, begins(/^.{30}[^\0]*?(?:data\.pkl|\.format_version)/s)), torchKind],
  other('a zip archive', oneOf(zip, at(0, 'PK\x05\x06')), unpack),
  [at(0, '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19'), oldTorchKind],
  other('a Python pickle', (head) => head[0] === 0x80 && head[1] >= 2 && head[1] <= 5, torch),
  other('a NumPy array', at(0, '\x93NUMPY'), python),
  other('an HDF5 file', at(0, '\x89HDF\r\n\x1a\n'), python),
  other('a GGUF file', at(0, 'GGUF'), python),
  [at(0, '\x1f\x8b'), gzipKind],
  other('a bzip2 archive', at(0, 'BZh'), unpack),
  other('an xz archive', at(0, '\xfd7zXZ\0'), unpack),
  other('a Zstandard archive', at(0, '\x28\xb5\x2f\xfd'), unpack),
  other('a 7z archive', at(0, '7z\xbc\xaf\x27\x1c'), unpack),
  other('a RAR archive', at(0, 'Rar!\x1a\x07'), unpack),
  [at(257, 'ustar'), tarKind],
  [at(0, 'PAR1'), parquetKind],
  other(
    'an IDX file',
    (head) => head.length > 7 && !head[0] && !head[1] && head[2] >= 8 && head[2] <= 14 && head[3] >= 1 && head[3] <= 4,
  ),
  other('a PDF document', at(0, '%PDF-'), 'Save its pages as PNG.'),
  other(
    'a video',
    oneOf(brand(/./), at(0, '\x1aE\xdf\xa3'), both(at(0, 'RIFF'), at(8, 'AVI '))),
    'Save its frames as PNG.',
  ),
  other(
    'a Git LFS pointer',
    at(0, 'version https://git-lfs'),
    "Run 'git lfs pull' to get the file that it stands for.",
  ),
  other('an HTML page', markup('(?:!doctype\\s+html|html|head|body)\\b'), download),
  decoded('SVG', markup('(?:\\w+:)?svg\\b')),
  other('a safetensors file', (_, text) => text.slice(5, 9) === '\0\0\0{'),
  other('an XML file', markup('\\w'), download),
  [begins(/^(?:\xef\xbb\xbf)?\s*\{(?=[\s\S]*"weight_map"\s*:\s*\{)/), indexKind],
  other('a JSON file', begins(/^(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:["{[\]\d-]|$|true|false|null))/)),
  other(
    'a text file',
    (head) => head.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13) && isUtf8(head),
  ),
];

const cameraRaw: FileKind = { name: 'a camera raw picture', picture: 'unknown', advice: convert };
/** Most are TIFF, with a thumbnail in the place of the picture. */
const rawName = /\.(cr[23]|nef|nrw|arw|dng|orf|rw2|raf|pef|srw)$/i;

/**
 * The kind of a file, or undefined for one that is not known.
 * @param head  its first `headBytes` bytes, or more
 * @param name  only camera raw pictures are known by their names
 */
export function fileKind(head: Uint8Array, name = ''): FileKind | undefined {
  const bytes = head.subarray(0, headBytes);
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''); // one character a byte
  const kind = kinds.find(([test]) => test(bytes, text))?.[1];
  return rawName.test(name) && (!kind || kind.picture) ? cameraRaw : kind;
}

/** What is at a path instead of a file. @param found  by `stat` */
export function otherThanFile(found: Record<'isFile' | 'isDirectory' | 'isFIFO', () => boolean>): FileKind | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return { name: 'a folder', advice: 'Name a file in it.' };
  return found.isFIFO() ? { name: 'a pipe', advice: 'Save its output as a file.' } : { name: 'a device' };
}

/** The end may be cut within a character. */
function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** 'got a zip archive. Unpack it first.': the end of an error's message. */
export function gotInstead({ name, advice }: FileKind): string {
  return `got ${name}.${advice ? ` ${advice}` : ''}`;
}
