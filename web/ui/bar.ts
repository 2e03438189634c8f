/** The bar at the top: the picture at hand, undo, the model, and sharing. */
import type { App } from '../app.ts';
import { bytesOf } from '../link.ts';
import { button, choice, h } from './dom.ts';
import { download, pictureView, toPng } from './picture.ts';

export function mountBar(element: HTMLElement, app: App): void {
  const { store } = app;
  const view = pictureView('thumb', 'the picture at hand');
  const undo = button('Undo', () => store.undo(), { title: 'Ctrl+Z' });
  const redo = button('Redo', () => store.redo(), { title: 'Ctrl+Shift+Z' });
  const copy = button('Copy link', async () => {
    try {
      await new Promise((resolve) => setTimeout(resolve, 250)); // the address follows within 200 ms
      await navigator.clipboard.writeText(location.href);
      app.say(`Copied. The picture is in the link, in ${bytesOf(app.model.tokens, app.model.codes)} bytes.`);
    } catch {
      app.fail('This browser does not let pages copy. Copy the address instead: the picture is in it.');
    }
  });
  const save = button('Save PNG', async () => {
    const { picture } = store.state;
    try {
      if (picture) download(await toPng(picture), 'tokens.png');
    } catch (error) {
      app.fail(error);
    }
  });
  const { element: model, select } = choice('Model', [], '', (model) => store.set({ model }));
  element.append(view.element, undo, redo, copy, save, h('span', { class: 'space' }), model);
  store.on(['models'], ({ models }) => {
    select.replaceChildren(
      ...models.map(({ name, bytes }) => h('option', { value: name }, `${name} (${(bytes / 1e6).toFixed(1)} MB)`)),
    );
  });
  store.on(['picture', 'row', 'other', 'model', 'models', 'loads'], ({ picture, model }) => {
    if (picture) view.show(picture, 'the picture at hand');
    undo.disabled = !store.canUndo;
    redo.disabled = !store.canRedo;
    select.value = model;
  });
  addEventListener('keydown', (event) => {
    const typing = event.target instanceof Element && event.target.matches('input:not([type=range]), textarea, select');
    if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
    event.preventDefault();
    if (event.shiftKey) store.redo();
    else store.undo();
  });
}
