import { execFile, execFileSync, type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import ignore from '@balena/dockerignore';
import { Copy, DockerfileParser, Env, From, type Instruction, JSONInstruction } from 'dockerfile-ast';
import type { Test } from 'tap';
import { checkoutFiles } from '../checkout.js';

const STEP_WITHIN_MS = 300_000;

/** The result of `docker build` for the checkout: a root folder, and how it is run. */
export interface Image {
  readonly root: string;
  readonly base: string;
  readonly env: Record<string, string>;
  readonly workdir: string;
  /** The argument of `USER`. */
  readonly user: string;
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  readonly stopSignal: string;
}

type Stage = { -readonly [field in keyof Image]: Image[field] };

/**
 * Follows the Dockerfile without a container engine: each stage is a folder, into which its `COPY` instructions copy and
 * in which its `RUN` instructions run, with the Node.js of this machine in place of the base image.
 * @throws Error at an instruction that it does not know, and at a command in shell form
 */
export async function buildImage(t: Test): Promise<Image> {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-image-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const context = join(folder, 'context');
  copyContext(context);
  const dockerfile = DockerfileParser.parse(readFileSync('Dockerfile', 'utf8'));
  const variables = Object.fromEntries(
    dockerfile.getInitialARGs().map((arg) => {
      const property = arg.getProperty();
      return [property?.getName(), property?.getValue() ?? ''];
    }),
  );
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction instanceof From) {
      const name = instruction.getBuildStage() ?? String(stages.size);
      const named = (instruction.getImage() ?? '').replaceAll(
        /\$\{(\w+)\}/g,
        (_, variable) => variables[variable] ?? '',
      );
      // An image, or a stage, of which the Dockerfile uses only what its image brings.
      const base = stages.get(named)?.base ?? named;
      const root = join(folder, name);
      mkdirSync(root);
      const image = { workdir: '/', user: 'root', command: [], healthcheck: [], stopSignal: 'SIGTERM' };
      stage = { root, base, env: {}, ...image };
      stages.set(name, stage);
    } else if (stage !== undefined) {
      await follow(instruction, stage, (name) => stages.get(name)?.root ?? context);
    }
  }
  if (stage === undefined) throw new Error('The Dockerfile has no stage');
  return stage;
}

/** The files of the checkout that would be sent to the engine. */
function copyContext(to: string): void {
  const ignored = ignore.default().add(readFileSync('.dockerignore', 'utf8').split('\n'));
  for (const file of ignored.filter(checkoutFiles()))
    cpSync(file, join(to, file), { preserveTimestamps: true });
}

async function follow(
  instruction: Instruction,
  stage: Stage,
  rootOf: (stage: string) => string,
): Promise<void> {
  const text = instruction.getArgumentsContent() ?? '';
  switch (instruction.getKeyword()) {
    case 'ARG':
    case 'LABEL':
    case 'EXPOSE':
      return;
    case 'WORKDIR':
      stage.workdir = resolve(stage.workdir, text);
      mkdirSync(join(stage.root, stage.workdir), { recursive: true });
      return;
    case 'ENV':
      if (!(instruction instanceof Env)) break;
      for (const property of instruction.getProperties())
        stage.env[property.getName()] = property.getValue() ?? '';
      return;
    case 'COPY':
      if (instruction instanceof Copy) copy(instruction, stage, rootOf);
      return;
    case 'RUN':
      await run(execForm(instruction), stage);
      return;
    case 'USER':
      stage.user = text;
      return;
    case 'STOPSIGNAL':
      stage.stopSignal = text;
      return;
    case 'HEALTHCHECK':
      stage.healthcheck = JSON.parse(/\bCMD (\[.*\])$/.exec(text)?.[1] ?? 'null');
      return;
    case 'CMD':
      stage.command = execForm(instruction);
      return;
  }
  throw new Error(`The test does not know ${instruction.getKeyword()} ${text}`);
}

function execForm(instruction: Instruction): string[] {
  if (!(instruction instanceof JSONInstruction) || instruction.getOpeningBracket() === null)
    throw new Error(`In shell form: ${instruction.getArgumentsContent()}`);
  return instruction.getJSONStrings().map((string) => string.getJSONValue());
}

function copy(instruction: Copy, { root, workdir }: Stage, rootOf: (stage: string) => string): void {
  const from = rootOf(instruction.getFromFlag()?.getValue() ?? '');
  const paths = instruction.getArguments().map((argument) => argument.getValue());
  const to = join(root, resolve(workdir, paths.pop() ?? ''));
  mkdirSync(to, { recursive: true });
  for (const path of paths) {
    const source = join(from, resolve('/', path));
    const isFolder = statSync(source).isDirectory();
    execFileSync('cp', ['-a', isFolder ? `${source}/.` : source, isFolder ? to : join(to, basename(source))]);
  }
}

async function run([program = '', ...args]: readonly string[], { root, workdir, env }: Stage): Promise<void> {
  // Without variables of the npm that runs this test, but with the cache of CI.
  const clean = Object.entries(process.env).filter(([name]) => !/^(npm_|node_|tap|init_cwd)/i.test(name));
  await promisify(execFile)(program, args, {
    cwd: join(root, workdir),
    env: { ...Object.fromEntries(clean), npm_config_prefer_offline: 'true', ...env },
    timeout: STEP_WITHIN_MS,
  });
}

const isRoot = process.getuid?.() === 0;
const SUDO = isRoot ? [] : ['sudo', '-n'];

/** Whether a process can be confined as by an engine: on Linux, as root or with a sudo without a password. */
export const canConfine = process.platform === 'linux' && (isRoot || hasSudo());

function hasSudo(): boolean {
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs in a separate mount namespace with the image's root and this machine's system libraries instead of the base image's,
 * all read-only and without other files; as the image's user, without privileges.
 */
const CONFINED = `
set -e
root=$1 workdir=$2 uid=$3 gid=$4 node=$5
shift 5
mount --make-rprivate /
mount --bind "$root" "$root"
for folder in bin dev etc lib lib64 proc usr; do
  test -d /$folder || continue
  mkdir -p "$root/$folder"
  mount --rbind /$folder "$root/$folder"
done
touch "$root/node"
mount --bind "$node" "$root/node"
awk -v root="$root" 'index($2, root) == 1 { print $2 }' /proc/self/mounts | while read -r mounted; do
  mount -o remount,bind,ro "$mounted"
done
exec unshare --root="$root" --wd="$workdir" /usr/bin/setpriv --reuid="$uid" --regid="$gid" --clear-groups \\
  --bounding-set=-all --inh-caps=-all --no-new-privs /node "$@"
`;

/** Starts a command of the image in the image; all of them begin with `node`. */
export function startIn(image: Image, command: readonly string[], env: Record<string, string> = {}) {
  const [program, ...args] = command;
  if (program !== 'node') throw new Error(`Not a command for Node.js: ${command.join(' ')}`);
  const options: SpawnOptionsWithoutStdio = { env: { ...image.env, ...env } };
  if (!canConfine) return spawn(process.execPath, args, { ...options, cwd: join(image.root, image.workdir) });
  const [uid = '', gid = ''] = image.user.split(':');
  // sudo passes no variables on, so env sets them.
  const variables = Object.entries({ PATH: process.env['PATH'], ...options.env }).map(
    ([k, v]) => `${k}=${v}`,
  );
  const [file = '', ...rest] = [
    ...[...SUDO, 'env', '-i', ...variables, 'unshare', '--mount', 'sh', '-c', CONFINED, 'sh'],
    ...[image.root, image.workdir, uid, gid, process.execPath, ...args],
  ];
  return spawn(file, rest);
}

/** Runs a command of the image until it exits. */
export async function runIn(image: Image, command: readonly string[], env: Record<string, string> = {}) {
  const child = startIn(image, command, env);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [code]: (number | null)[] = await once(child, 'close');
  return { code, output };
}

/** Sends a signal to a process of startIn(); sudo passes it on. */
export function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  if (isRoot || !canConfine) process.kill(pid, name);
  else execFileSync('sudo', ['-n', 'kill', '-s', name.replace('SIG', ''), String(pid)]);
}
