/** Other processes of this machine: whether they live, and which one a process id means. */
import { readFileSync } from 'node:fs';

/** Whether a process has this id now. One that has ended but is still listed (a zombie) does not count. */
export function isRunning(pid: number): boolean {
  const [state] = fieldsOf(pid) ?? [];
  if (state !== undefined) return state !== 'Z' && state !== 'X';
  try {
    process.kill(pid, 0); // only asks
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it lives, but belongs to somebody else
  }
}

/** When a process started, in clock ticks since the system did; undefined where there is no /proc (macOS, Windows). */
export const startOf = (pid: number): string | undefined => fieldsOf(pid)?.[19];

/** What /proc/PID/stat says after the process's name, which may hold anything: its state comes first. */
function fieldsOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
