/** Methods of Tensor are the ops of the same name, and show their documentation in an editor. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** What an editor shows when the pointer rests on `of` in a program. */
function hover(program: string, of: readonly string[]): { signature: string; documentation: string }[] {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const file = `${root}hover.ts`;
  const read = (name: string) => (name === file ? program : ts.sys.readFile(name));
  const config = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, {}, ts.sys as never);
  const service = ts.createLanguageService({
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const text = read(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => config!.options,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => name === file || ts.sys.fileExists(name),
    readFile: read,
  });
  return of.map((name) => {
    const info = service.getQuickInfoAtPosition(file, program.indexOf(`.${name}(`) + 1);
    return {
      signature: ts.displayPartsToString(info?.displayParts),
      documentation: ts.displayPartsToString(info?.documentation),
    };
  });
}

test('an editor shows signature and documentation of methods', () => {
  const program =
    "import { tensor } from './core/index.ts'; tensor([1]).matmul(tensor([2])).clamp(0, 1).reshape([1]).tril();";
  const [matmul, clamp, reshape, tril] = hover(program, ['matmul', 'clamp', 'reshape', 'tril']);
  assert.match(matmul.signature, /matmul: \(b: Tensor, .*\) => Tensor/);
  assert.match(matmul.documentation, /^Matrix product/);
  assert.match(clamp.signature, /clamp: \(low: Operand, high: Operand\) => Tensor/);
  assert.match(clamp.documentation, /min\(max\(x, low\), high\)/);
  assert.match(reshape.signature, /reshape: \(shape: Shape\) => Tensor/);
  for (const { documentation } of [reshape, tril]) assert.ok(documentation.length > 0);
});
