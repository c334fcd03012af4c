import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const SETTINGS = 'deploy/aws/src/settings.ts';
const OUTPUTS = { Url: 'https://scores.example', RollbackAlarms: 'a,b' };

const ADDRESS = { DOMAIN_NAME: 'scores.example', HOSTED_ZONE_NAME: 'example', HOSTED_ZONE_ID: 'Z1' };

/** As ECR has it: the digest is that of each byte, also of the last one. */
const MANIFEST = '{"schemaVersion": 2, "manifests": []}\n';

/** Runs deploy/release.sh in its own folder, with stubs: `npx` deploys nothing, and `aws` knows the image of one digest. */
function release(t: Test, args: string[], code = 0, variables: Record<string, string> = ADDRESS) {
  const folder = t.testdir({ deploy: { aws: {} }, bin: {}, output: '' });
  cpSync('deploy/release.sh', `${folder}/deploy/release.sh`);
  mkdirSync(`${folder}/bin`, { recursive: true });
  writeFileSync(
    `${folder}/bin/npx`,
    `#!/bin/sh\necho "$@" > asked\necho '${JSON.stringify({ ScoreboardStaging: OUTPUTS })}' > outputs.json\nexit ${code}\n`,
  );
  writeFileSync(`${folder}/images.json`, JSON.stringify({ images: [{ imageManifest: MANIFEST }] }));
  writeFileSync(
    `${folder}/bin/aws`,
    `#!/bin/sh
echo "$@" >> asked-aws
case "$*" in
  *batch-get-image*${DIGEST}*) cat ../../images.json ;;
  *batch-get-image*) echo '{"images": []}' ;;
  *put-image*) cat "$(echo "$*" | sed 's|.*file://||')" > tagged ;;
esac
`,
  );
  for (const program of ['npx', 'aws']) chmodSync(`${folder}/bin/${program}`, 0o755);
  const ran = spawnSync(`${folder}/deploy/release.sh`, args, {
    encoding: 'utf8',
    env: {
      PATH: `${folder}/bin:${process.env['PATH']}`,
      ...variables,
      GITHUB_OUTPUT: `${folder}/output`,
    },
  });
  return { ...ran, folder };
}

t.test('a stack gets the image of a digest, and outputs its URL and its alarms', async (t) => {
  const { status, folder } = release(t, ['ScoreboardStaging', DIGEST]);
  t.equal(status, 0);
  t.match(
    readFileSync(`${folder}/deploy/aws/asked`, 'utf8'),
    `cdk deploy ScoreboardStaging --require-approval never --outputs-file outputs.json -c imageDigest=${DIGEST} -c domainName=scores.example -c hostedZoneName=example -c hostedZoneId=Z1`,
  );
  t.equal(readFileSync(`${folder}/output`, 'utf8'), 'url=https://scores.example\nalarms=a,b\n');
});

t.test(
  'every setting of the stacks comes from a variable of the workflow, and none that is empty',
  async (t) => {
    const [, patterns = ''] = /const PATTERNS = \{([\s\S]*?)\n\};/.exec(readFileSync(SETTINGS, 'utf8')) ?? [];
    const names = [...patterns.matchAll(/^ {2}(\w+): /gm)].map(([, name = '']) => name);
    t.ok(names.length > 5);
    const settings = names.filter((name) => name !== 'imageDigest');
    const variableOf = (name: string) => name.replaceAll(/[A-Z]/g, '_$&').toUpperCase();
    const workflow = readFileSync('.github/workflows/deploy.yml', 'utf8');
    for (const variable of settings.map(variableOf)) {
      t.match(workflow, `      ${variable}: \${{ vars.${variable} }}\n`);
    }
    const askedFor = (value: string) => {
      const variables = Object.fromEntries(settings.map((name) => [variableOf(name), value]));
      const { folder } = release(t, ['ScoreboardStaging', DIGEST], 0, variables);
      const asked = readFileSync(`${folder}/deploy/aws/asked`, 'utf8');
      return [...asked.matchAll(/-c (\w+)=/g)].map(([, name]) => name).sort();
    };
    t.same(askedFor('x'), [...names].sort());
    t.same(askedFor(''), ['imageDigest']);
  },
);

t.test('before it is deployed, the image gets a tag that keeps it', async (t) => {
  const { folder } = release(t, ['ScoreboardStaging', DIGEST]);
  const [, put = ''] = readFileSync(`${folder}/deploy/aws/asked-aws`, 'utf8').split('\n');
  t.match(
    put,
    new RegExp(
      `^ecr put-image --repository-name scoreboard-api --image-tag deployed-staging-\\d{14} --image-digest ${DIGEST} `,
    ),
  );
  t.equal(readFileSync(`${folder}/deploy/aws/tagged`, 'utf8'), MANIFEST);
  const unknown = release(t, ['ScoreboardStaging', DIGEST.replace('0', 'f')]);
  t.match(unknown.stdout, /^::warning::sha256:f\S+ has no tag that keeps it/m);
  t.notOk(existsSync(`${unknown.folder}/deploy/aws/tagged`));
  t.ok(existsSync(`${unknown.folder}/deploy/aws/asked`), 'which does not stop a rollback');
});

t.test('an invalid digest is not deployed', async (t) => {
  for (const digest of ['', 'latest', DIGEST.slice(0, -1), `${DIGEST} -c x=y`]) {
    const { status, stderr } = release(t, ['ScoreboardStaging', digest]);
    t.equal(status, 1, digest);
    t.match(stderr, 'is not the digest of an image', digest);
  }
});

t.test('a failed deployment fails the script', async (t) => {
  const { status, folder } = release(t, ['ScoreboardStaging', DIGEST], 3);
  t.equal(status, 3);
  t.equal(readFileSync(`${folder}/output`, 'utf8'), '');
});
