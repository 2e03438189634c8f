/** What every exhibit is given. */
import type { Baked } from './baked.ts';
import type { Engine } from './engine/client.ts';
import type { ModelInfo } from './engine/model.ts';
import type { Store } from './store.ts';

export interface App {
  readonly engine: Engine;
  readonly store: Store;
  /** First states, made when the site was built: of the default model. */
  readonly baked: Baked;
  /** The model at hand. Changes with `store.state.model`. */
  readonly model: ModelInfo;
  /** A CSS color for each code; alike codes have alike colors. */
  readonly colors: readonly string[];
  /** Resolves when the engine has the model. */
  readonly ready: Promise<void>;
  /** How many links were opened in this tab. What was asked for before the last one must not replace what it shows. */
  readonly links: number;
  /** Says what happened, to screen readers and on the status line. */
  say(text: string): void;
  /** Shows what went wrong, in words for visitors. */
  fail(error: unknown): void;
}

/** Fills a section of the page. Called once, when the section comes near the window. */
export type Mount = (section: HTMLElement, app: App) => void;
