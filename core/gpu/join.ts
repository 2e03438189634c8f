/** Many arrays made one, in few launches: how parameters, gradients and moments get into one array each. */
import type { Pass } from '../device.ts';

/** A piece of an array: an argument of the op by number, or the result of an earlier pass by name. */
export interface Piece {
  readonly of: number | string;
  readonly from: number;
  readonly length: number;
}

/**
 * Passes that write the pieces one after another. A launch reads at most `maxArrays` arrays, so n of them take about
 * n / (maxArrays − 1) launches; pieces of few arrays, in whatever order, take one.
 */
export function joinPasses(pieces: readonly Piece[], maxArrays: number, level = 0): Pass[] {
  const groups = groupByArrays(mergeNeighbors(pieces), maxArrays);
  if (groups.length === 1) return [joinPass(groups[0])];
  const parts = groups.map((group, i) => ({ ...joinPass(group), name: `join${level}_${i}` }));
  const joined = parts.map(({ name, out }): Piece => ({ of: name, from: 0, length: out[0] }));
  return [...parts, ...joinPasses(joined, maxArrays, level + 1)];
}

/** True when each piece begins where the one before it ends. */
export const follows = (pieces: readonly Piece[]): boolean => {
  let end = 0;
  return pieces.every(({ from, length }) => {
    const right = from === end;
    end += length;
    return right;
  });
};

function joinPass(pieces: readonly Piece[]): Pass & { out: readonly number[] } {
  const arrays = [...new Set(pieces.map((p) => p.of))];
  const names = new Map(arrays.map((of, i) => [of, `a${i}`]));
  let start = 0;
  const reads = pieces.map(({ of, from, length }) => {
    const shift = from - start;
    start += length;
    return { end: start, read: `v = ${names.get(of)}[this.thread.x ${shift < 0 ? '-' : '+'} ${Math.abs(shift)}];` };
  });
  /** Halves the pieces until one is left, so that n of them cost log n comparisons. */
  const choose = (low: number, high: number): string => {
    if (high - low === 1) return reads[low].read;
    const middle = (low + high) >> 1;
    return `if (this.thread.x < ${reads[middle - 1].end}) { ${choose(low, middle)} } else { ${choose(middle, high)} }`;
  };
  return {
    out: [start],
    inputs: Object.fromEntries(arrays.map((of) => [names.get(of)!, of])),
    body: `let v = 0.0; ${choose(0, reads.length)} return v;`,
  };
}

/** Pieces that follow each other in one array are one piece. */
function mergeNeighbors(pieces: readonly Piece[]): Piece[] {
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last && last.of === piece.of && last.from + last.length === piece.from) {
      merged[merged.length - 1] = { ...last, length: last.length + piece.length };
    } else if (piece.length > 0) merged.push(piece);
  }
  return merged;
}

/** Runs of pieces that come from at most `max` arrays. */
function groupByArrays(pieces: readonly Piece[], max: number): Piece[][] {
  const groups: Piece[][] = [];
  let arrays = new Set<Piece['of']>();
  for (const piece of pieces) {
    if (groups.length === 0 || (!arrays.has(piece.of) && arrays.size === max)) {
      groups.push([]);
      arrays = new Set();
    }
    groups.at(-1)!.push(piece);
    arrays.add(piece.of);
  }
  return groups;
}
