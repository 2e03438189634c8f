/** Which images of a folder are held out: as many as asked, spread over the classes, and mostly the same after a change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseHeldOut } from '../../data/hold-out.ts';

interface Image {
  readonly key: string;
  readonly label: number;
}

/** Classes of given sizes, with names as cameras and scripts give them. */
function imagesOf(sizes: readonly number[], nameOf = (i: number) => `${i + 1}.png`) {
  const classes = sizes.map((_, label) => `class ${label}`);
  const images: Image[] = sizes.flatMap((count, label) =>
    Array.from({ length: count }, (_, i) => ({ key: `${classes[label]}/${nameOf(i)}`, label })),
  );
  return { classes, images };
}

function countsOf(heldOut: ReadonlySet<Image>, classes: readonly string[]): number[] {
  return classes.map((_, label) => [...heldOut].filter((image) => image.label === label).length);
}

test('layouts that people have: 5 images in 100 classes, one each of the same name, 10, 40', () => {
  const held = (sizes: number[], nameOf?: (i: number) => string) => {
    const { classes, images } = imagesOf(sizes, nameOf);
    return countsOf(chooseHeldOut(images, classes, 0.1), classes);
  };
  const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
  const five = held(new Array(100).fill(5));
  assert.deepEqual([sum(five), Math.max(...five)], [50, 1]);
  assert.equal(sum(held(new Array(300).fill(1), () => 'face.png')), 30);
  assert.deepEqual(held(new Array(40).fill(10)), new Array(40).fill(1));
  assert.deepEqual(held([12]), [2]); // 1.2 would be too few to measure with
  assert.deepEqual(held([40]), [4]);
  assert.deepEqual([held([1]), held([2]), held([3])], [[0], [1], [2]]);
  assert.equal(sum(held([1, 39])), 4);
  assert.equal(held([1, 39])[0], 0, 'a class keeps an image to train on while another can give');
});

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
const fraction = fc.double({ min: 0.01, max: 0.95, noNaN: true });

test('property: the count is what was asked, and each class gives its share', () => {
  fc.assert(
    fc.property(sizes, fraction, (sizes, fraction) => {
      const { classes, images } = imagesOf(sizes);
      const heldOut = chooseHeldOut(images, classes, fraction);
      const asked = Math.round(fraction * images.length);
      assert.equal(heldOut.size, Math.max(0, Math.min(Math.max(2, asked), images.length - 1)));
      if (asked < 2) return;
      for (const [label, count] of countsOf(heldOut, classes).entries()) {
        const share = fraction * sizes[label];
        assert.ok(count >= Math.floor(share) - 1 && count <= Math.floor(share) + 2, `${count} of ${share}`);
      }
    }),
  );
});

test('property: the order of the images does not matter, and one more moves few', () => {
  fc.assert(
    fc.property(sizes, fraction, fc.nat(), fc.string(), (sizes, fraction, at, name) => {
      const { classes, images } = imagesOf(sizes);
      const keys = (list: readonly Image[]) => new Set([...chooseHeldOut(list, classes, fraction)].map((i) => i.key));
      const before = keys(images);
      assert.deepEqual([...keys([...images].reverse())].sort(), [...before].sort());
      const label = at % sizes.length;
      const after = keys([...images, { key: `${classes[label]}/new ${name}`, label }]);
      const moved =
        [...after].filter((key) => !before.has(key)).length + [...before].filter((k) => !after.has(k)).length;
      assert.ok(moved <= 4, `${moved} moved`);
    }),
  );
});

test('none and all', () => {
  const { classes, images } = imagesOf([3, 3]);
  assert.equal(chooseHeldOut(images, classes, 0).size, 0);
  assert.equal(chooseHeldOut(images, classes, 1).size, 6);
  assert.equal(chooseHeldOut([], [], 0.1).size, 0);
});
