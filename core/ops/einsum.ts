/** Einstein summation: products and sums of tensors whose axes are named by letters. */
import { kindOf, ShapeError } from '../errors.ts';
import { expectTensors } from '../op.ts';
import { numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { narrow, pad, permute, reshape } from './movement.ts';
import { sum } from './reduce.ts';

/** Letters; axes that `...` stands for are named '-1', '-2', … from the last on. */
type Labels = readonly string[];
/** A tensor and the names of its axes. */
interface Term {
  readonly labels: Labels;
  readonly x: Tensor;
}

/**
 * Einstein summation: multiplies tensors whose axes are named by letters, and sums over the letters that the result does
 * not have. As torch.einsum, but the result is always spelled out after `->`.
 *
 *   einsum('ij,jk->ik', a, b)               the matrix product a b
 *   einsum('bhqd,bhkd->bhqk', q, k)         all scores of attention
 *   einsum('...c,cd->...d', x, w)           x w over the last axis, whatever the others are
 *   einsum('ij->ji', a)                     transpose; 'ij->i' row sums; 'ii->i' diagonal; 'ii->' trace
 *   einsum('i,j,ij->', u, v, a)             u · a v
 *
 * The same letter has the same length everywhere; twice in one operand it takes the diagonal. `...` stands for any number
 * of axes, which broadcast as in NumPy. Three or more operands are multiplied from left to right.
 *
 * @throws SyntaxError when the notation is wrong
 * @throws ShapeError when the operands do not fit it
 */
export function einsum(notation: string, ...operands: readonly Tensor[]): Tensor {
  expectTensors('einsum, operands', ...operands);
  const { inputs, output } = parse(notation, operands);
  const lengths = lengthsOf(notation, inputs, operands);
  const terms = operands.map((x, i) => diagonal(withoutStretched({ labels: inputs[i], x }, lengths)));
  const product = terms.reduce((a, b, i) => {
    const needed = new Set([...output, ...terms.slice(i + 1).flatMap(({ labels }) => labels)]);
    return multiply(a, b, needed);
  });
  return arrange(sumOut(product, new Set(output)), output);
}

/** The axes of each operand and of the result. */
function parse(notation: string, operands: readonly Tensor[]): { inputs: Labels[]; output: Labels } {
  const fail = (expected: string, got: string): never => {
    throw new SyntaxError(`einsum: expected ${expected}, got ${got}.`);
  };
  if (typeof notation !== 'string') fail("a notation such as 'ij,jk->ik' first", kindOf(notation));
  const [left, right, ...more] = notation.replaceAll(' ', '').split('->');
  if (right === undefined || more.length > 0) fail("axes and a result, such as 'ij,jk->ik'", `'${notation}'`);
  const sides = left.split(',');
  if (sides.length !== operands.length)
    fail(`${sides.length} operand${sides.length > 1 ? 's' : ''} for '${notation}'`, `${operands.length}`);
  for (const side of [...sides, right])
    if (!/^[a-zA-Z]*(\.\.\.)?[a-zA-Z]*$/.test(side)) fail("letters and at most one '...' per operand", `'${side}'`);

  const inputs = sides.map((side, i) => {
    const { shape } = operands[i];
    const further = shape.length - side.replace('...', '').length;
    if (further < 0 || (further > 0 && !side.includes('...')))
      throw new ShapeError(
        `einsum: expected operand ${i} of '${notation}' to have the axes ${side}, got ${show(shape)}.${further > 0 ? " Give further axes letters, or '...'." : ''}`,
      );
    return labelsOf(side, further);
  });
  const mostFurther = Math.max(...inputs.map((labels) => labels.filter((l) => l.startsWith('-')).length));
  const output = labelsOf(right, mostFurther);
  const known = new Set(inputs.flat());
  const wrong = output.find((l, i) => !known.has(l) || output.indexOf(l) < i);
  if (wrong !== undefined) fail(`each axis of the result once, and from '${left}'`, `'${wrong}' in '${right}'`);
  return { inputs, output };
}

/** 'b...c' with two further axes → b, −2, −1, c. */
function labelsOf(side: string, further: number): Labels {
  const [before, after] = side.split('...');
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: further }, (_, i) => String(i - further)), ...after];
}

/** The length of every axis. @throws ShapeError when operands differ in one, other than by broadcasting */
function lengthsOf(notation: string, inputs: readonly Labels[], operands: readonly Tensor[]): Map<string, number> {
  const lengths = new Map<string, number>();
  inputs.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const length = operands[i].shape[axis];
      const known = lengths.get(label) ?? length;
      const stretches = label.startsWith('-') && (known === 1 || length === 1);
      if (known !== length && !stretches)
        throw new ShapeError(
          `einsum: expected the same length wherever '${notation}' has '${label}', got ${known} and ${length} in ${operands.map((x) => show(x.shape)).join(', ')}.`,
        );
      lengths.set(label, known === 1 ? length : known);
    });
  });
  return lengths;
}

/** The term without axes of length 1 that broadcasting would stretch: a product need not repeat them. */
function withoutStretched(term: Term, lengths: ReadonlyMap<string, number>): Term {
  const { labels, x } = term;
  const kept = labels.flatMap((label, axis) => (x.shape[axis] === lengths.get(label) ? [axis] : []));
  if (kept.length === labels.length) return term;
  return {
    labels: kept.map((axis) => labels[axis]),
    x: reshape(
      x,
      kept.map((axis) => x.shape[axis]),
    ),
  };
}

/** The term with every letter once. Values i, i of an [n, n] are n + 1 apart: the first column of a [n, n + 1]. */
function diagonal(term: Term): Term {
  const { labels, x } = term;
  const second = labels.findIndex((label, i) => labels.indexOf(label) < i);
  if (second < 0) return term;
  const first = labels.indexOf(labels[second]);
  const others = labels.flatMap((_, i) => (i === first || i === second ? [] : [i]));
  const n = x.shape[first];
  const lead = others.map((i) => x.shape[i]);
  const flat = reshape(permute(x, [...others, first, second]), [...lead, n * n]);
  const none = flat.shape.map(() => 0);
  const shifted = reshape(pad(flat, none, [...none.slice(1), n]), [...lead, n, n + 1]);
  return diagonal({
    labels: [...others.map((i) => labels[i]), labels[first]],
    x: reshape(narrow(shifted, -1, 0, 1), [...lead, n]),
  });
}

/** The product of two terms, summed over the axes that no later term needs. */
function multiply(one: Term, other: Term, needed: ReadonlySet<string>): Term {
  const a = sumOut(one, new Set([...needed, ...other.labels]));
  const b = sumOut(other, new Set([...needed, ...one.labels]));
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const batch = shared.filter((l) => needed.has(l));
  const summed = shared.filter((l) => !needed.has(l));
  const onlyA = a.labels.filter((l) => !shared.includes(l));
  const onlyB = b.labels.filter((l) => !shared.includes(l));
  const labels = [...batch, ...onlyA, ...onlyB];
  const shape = labels.map((l) => lengthIn(a, l) ?? lengthIn(b, l)!);
  const size = (term: Term, some: Labels) => numel(some.map((l) => lengthIn(term, l)!));

  if (summed.length === 0 && (onlyA.length === 0 || onlyB.length === 0)) {
    const left = arrange(a, [...batch, ...onlyA]);
    const right = arrange(b, [...batch, ...onlyB]);
    const [onesA, onesB] = [onlyA, onlyB].map((some) => some.map(() => 1)); // for the axes that only the other one has
    return { labels, x: mul(reshape(left, [...left.shape, ...onesB]), reshape(right, [...right.shape, ...onesA])) };
  }
  const [m, k, n] = [size(a, onlyA), size(a, summed), size(b, onlyB)];
  const lead = batch.length > 0 ? [size(a, batch)] : [];
  // an operand that already lies transposed is read that way, without a copy
  const transposeA = sameLabels(a.labels, [...batch, ...summed, ...onlyA]);
  const transposeB = !sameLabels(b.labels, [...batch, ...summed, ...onlyB]);
  const left = arrange(a, transposeA ? a.labels : [...batch, ...onlyA, ...summed]);
  const right = arrange(b, transposeB ? [...batch, ...onlyB, ...summed] : b.labels);
  const y = matmul(
    reshape(left, [...lead, ...(transposeA ? [k, m] : [m, k])]),
    reshape(right, [...lead, ...(transposeB ? [n, k] : [k, n])]),
    { transposeA, transposeB },
  );
  return { labels, x: reshape(y, shape) };
}

const lengthIn = ({ labels, x }: Term, label: string): number | undefined => x.shape[labels.indexOf(label)];
const sameLabels = (a: Labels, b: Labels): boolean => a.every((l, i) => l === b[i]);

/** The sum over all axes but these. */
function sumOut({ labels, x }: Term, kept: ReadonlySet<string>): Term {
  const axes = labels.flatMap((l, i) => (kept.has(l) ? [] : [i]));
  return axes.length === 0 ? { labels, x } : { labels: labels.filter((l) => kept.has(l)), x: sum(x, axes) };
}

/** The tensor with its axes in this order. */
const arrange = ({ labels, x }: Term, order: Labels): Tensor =>
  permute(
    x,
    order.map((l) => labels.indexOf(l)),
  );
