/** Work that follows a state which may change faster than the work is done. */

/**
 * A function that does `work`. Calls while it is being done lead to one more round after it: what is under way is finished
 * and shown, so that a picture keeps moving while a key is held, and the last state always comes. Resolves after the last
 * round.
 */
export function latest(work: () => Promise<void>, fail: (error: unknown) => void): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again = false;
  const rounds = async () => {
    while (again) {
      again = false;
      await work().catch(fail);
    }
    running = undefined;
  };
  return () => {
    again = true;
    running ??= rounds();
    return running;
  };
}
