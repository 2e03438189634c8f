/**
 * How a folder of pictures is a dataset.
 *
 *   pets/cat/1.jpg  pets/cat/more/2.jpg  pets/dog/7.png        a class for each folder, with all below it
 *   pets/train/cat/1.jpg …  pets/val/cat/2.jpg …               split by you
 *   pets/1.jpg …                                               no classes: one class
 */
import { DataError } from '../core/index.ts';
import { type Folder, holdsPictures, type Picture, picturesIn } from './folder-tree.ts';
import { describeLeftOut, type LeftOutCounter } from './left-out.ts';
import { folderSplit } from './split.ts';
import type { PictureSource } from './squares.ts';

/** A picture with its class. */
export interface LabeledPicture {
  readonly source: PictureSource;
  /** Path below the dataset's folder: 'train/cat/1.png'. */
  readonly name: string;
  /** Path below the folder of class folders, 'cat/1.png': by it, images are held out. */
  readonly key: string;
  readonly label: number;
}

export interface Layout {
  readonly classes: readonly string[];
  readonly pictures: readonly LabeledPicture[];
  /** Held-out pictures, when a folder or a file says which; otherwise they are chosen from `pictures`. */
  readonly heldOut?: { readonly name: string; readonly pictures: readonly LabeledPicture[] };
  /** What is not plain from the names of folders and files. */
  readonly notes: readonly string[];
}

const isSplit = ({ name }: Folder) => folderSplit(name) !== undefined;

/**
 * Finds classes and splits. Pictures that belong to neither are counted as left out.
 * @param name  of the dataset: a folder without class folders is a class of this name
 * @throws DataError for a folder without pictures, a class without pictures, or a held-out class that is not trained
 */
export function layoutOf(root: Folder, name: string, leftOut: LeftOutCounter): Layout {
  const train = trainFolder(root);
  if (!train) {
    return classify(root, name, leftOut);
  }
  for (const { name } of root.pictures) leftOut.add('beside the class folders', name);
  const { classes, pictures, notes } = classify(train, name, leftOut);
  const others = root.folders.filter((folder) => folder !== train && holdsPictures(folder));
  const usable = (folder: Folder) => hasClassFolders(folder) || !hasClassFolders(train);
  const chosen = ['validation', 'test']
    .map((split) => others.find((folder) => folderSplit(folder.name) === split && usable(folder)))
    .find((folder) => folder !== undefined);
  for (const other of others) {
    if (other === chosen) continue;
    const why = !usable(other) ? ', which has no class folders' : chosen ? ` beside ${chosen.name}/` : '';
    leftOut.add(`in ${other.name}/${why}`, `${other.name}/…`, picturesIn(other).length);
  }
  if (!chosen)
    return { classes, pictures, notes: [...notes, `no validation folder: some of ${train.name}/ is held out`] };
  const heldOut = { name: `${chosen.name}/`, pictures: classify(chosen, name, leftOut, classes).pictures };
  const isTest = folderSplit(chosen.name) === 'test' ? [`no validation folder: ${chosen.name}/ is held out`] : [];
  return { classes, pictures, heldOut, notes: [...notes, ...isTest] };
}

const hasClassFolders = ({ folders }: Folder): boolean => folders.some(holdsPictures);

/** The folder of training images, if the root is split. A class may have that name: beside others, without a split. */
function trainFolder(root: Folder): Folder | undefined {
  const full = root.folders.filter(holdsPictures);
  const train = full.find(({ name }) => folderSplit(name) === 'train');
  const others = full.filter((folder) => folder !== train);
  if (!train) return undefined;
  const split = others.length > 0 ? others.every(isSplit) : hasClassFolders(train);
  const beside = hasClassFolders(train) && others.some((folder) => isSplit(folder) && hasClassFolders(folder));
  return split || beside ? train : undefined;
}

/** The pictures in a folder of class folders, or in one without. @param known  the classes that there may be */
function classify(folder: Folder, name: string, leftOut: LeftOutCounter, known?: readonly string[]) {
  const prefix = folder.name === '' ? '' : `${folder.name}/`;
  const labeled = (pictures: readonly Picture[], label: number): LabeledPicture[] =>
    pictures.map(({ path, name }) => ({ source: path, name, key: name.slice(prefix.length), label }));
  if (folder.pictures.length > 0 && !hasClassFolders(folder)) {
    const notes = [`no class folders: all images are of one class, '${name}'`];
    return { classes: [name], pictures: labeled(folder.pictures, 0), notes };
  }
  if (folder.folders.length === 0) {
    throw new DataError(
      `${folder.path}: expected one folder of pictures per class, got none${besides(leftOut)}. ` +
        `Put the pictures into ${folder.path}/CLASS/….`,
    );
  }
  for (const { name } of folder.pictures) leftOut.add('beside the class folders', name);
  const classes = known ?? folder.folders.map(({ name }) => name);
  const pictures = folder.folders.flatMap((one) => {
    const label = classes.indexOf(one.name);
    const own = picturesIn(one);
    if (label < 0) {
      throw new DataError(`${one.path}: expected a class of train (${classes.join(', ')}), got '${one.name}'.`);
    }
    if (own.length === 0 && !known) throw emptyClass(one.path, one.name, leftOut);
    return labeled(own, label);
  });
  const parts = folder.folders.length === 1 ? folder.folders[0].folders.filter(holdsPictures) : [];
  const wrapped = `${parts.map(({ name }) => name).join(', ')} belong to the one class '${classes[0]}'`;
  return {
    classes,
    pictures,
    notes: parts.length > 1 ? [`${wrapped}; for classes of their own, name ${folder.folders[0].path}`] : [],
  };
}

/** A class without pictures, or without any that can be decoded. */
export function emptyClass(path: string, name: string, leftOut: LeftOutCounter): DataError {
  return new DataError(
    `${path}: expected pictures of class '${name}', got none${besides(leftOut)}. Add some, or remove the folder.`,
  );
}

const besides = ({ list }: LeftOutCounter): string => (list.length > 0 ? ` (${describeLeftOut(list)})` : '');
