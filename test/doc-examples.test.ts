/** The programs of the documentation compile as a user's would, run, and print what is written under them. */
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

test('README.md has an example', () => assert.ok(programs.some(({ at }) => at.startsWith('README.md'))));
for (const program of programs) {
  const { at, code, output } = program;
  if (output !== undefined) test(`${at} prints what is written under it`, () => assert.equal(run(program), output));
  // one that takes minutes is only compiled here; test/package/consumer.test.ts trains README.md's, test/cli/evaluate.test.ts measures
  else if (!/openRun\(|evaluateModel\(|comparePictures\(/.test(code)) test(`${at} runs`, () => void run(program));
}
