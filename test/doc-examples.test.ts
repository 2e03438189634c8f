/** The programs of the documentation compile. Those with an output run in readme.test.ts, README's training in consumer.test.ts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { programsOfDocs, run, typeErrors } from './doc-examples.ts';

const programs = programsOfDocs();

test('programs of the documentation compile; one with a wrong type does not', () => {
  assert.ok(programs.length > 5, `expected several programs, got ${programs.length}`);
  const code = "import { tensor } from 'titok-ts/core';\nconst x: number = tensor([1]);\n";
  assert.deepEqual(typeErrors([...programs, { at: 'wrong.md:10', code, output: undefined }]), [
    "wrong.md:11: Type 'Tensor' is not assignable to type 'number'.",
  ]);
});

for (const program of programs.filter(({ at, output }) => !output && at.startsWith('docs/'))) {
  test(`${program.at} runs`, () => void run(program));
}
