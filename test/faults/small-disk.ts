import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A disk of its own in memory, which can be filled up. Needs root, or sudo without a password. */
export class SmallDisk {
  readonly directory = mkdtempSync(join(tmpdir(), 'scoreboard-disk-'));
  readonly #filler = join(this.directory, 'filler');

  constructor(t: Test, megabytes: number) {
    asRoot('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'tmpfs', this.directory);
    t.teardown(() => {
      asRoot('umount', '--lazy', this.directory);
      rmSync(this.directory, { recursive: true });
    });
  }

  fill(): void {
    const file = openSync(this.#filler, 'w');
    const megabyte = Buffer.alloc(2 ** 20);
    try {
      while (writeSync(file, megabyte) > 0);
    } catch (error) {
      if (statfsSync(this.directory).bavail > 0) throw error;
    } finally {
      // A file that is open keeps its room also when it is removed.
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler);
  }
}

function asRoot(program: string, ...args: string[]): void {
  if (process.getuid?.() === 0) execFileSync(program, args);
  else execFileSync('sudo', ['-n', program, ...args]);
}
