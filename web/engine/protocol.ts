/** What the page and its engine, a worker, tell each other. */
import type { tasks } from './tasks.ts';

/**
 * A piece of work. A generator yields parts of its result as soon as it has them and returns the rest; between parts the
 * engine hears whether the page still wants it.
 */
export type Task = (...args: never[]) => Promise<unknown> | AsyncGenerator<unknown, unknown, undefined>;
export type TaskName = keyof typeof tasks;
type Outcome<N extends TaskName> = ReturnType<(typeof tasks)[N]>;
export type Arguments<N extends TaskName> = Parameters<(typeof tasks)[N]>;
/** What a task yields on its way. */
export type Part<N extends TaskName> = Outcome<N> extends AsyncGenerator<infer P, unknown> ? P : never;
/** What a task returns. */
export type Result<N extends TaskName> = Outcome<N> extends AsyncGenerator<unknown, infer R> ? R : Awaited<Outcome<N>>;

/** Page → engine. Requests have numbers, which the replies repeat. */
export type Request =
  | { readonly kind: 'run'; readonly id: number; readonly task: TaskName; readonly args: readonly unknown[] }
  | { readonly kind: 'cancel'; readonly id: number };

/** Engine → page: parts, then one of the other three. */
export type Reply =
  | { readonly kind: 'part'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'canceled'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly name: string; readonly message: string };
