import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../src/settings.js';

const GIVEN = {
  imageDigest: `sha256:${'a'.repeat(64)}`,
  domainName: 'scores.example.com',
  hostedZoneId: 'Z0EXAMPLE',
  hostedZoneName: 'example.com',
};
const read = (given: Record<string, string>) => readSettings((name) => given[name]);

test('with a hosted zone, the certificate is created', () => {
  assert.deepEqual(read(GIVEN), {
    imageDigest: GIVEN.imageDigest,
    address: { domainName: 'scores.example.com', zone: { id: 'Z0EXAMPLE', name: 'example.com' } },
    gameServers: [],
    corsOrigins: undefined,
    alarmEmail: undefined,
    shieldAdvanced: false,
    variables: [],
  });
});

test('without a hosted zone, a certificate is required', () => {
  const { imageDigest, domainName } = GIVEN;
  const certificateArn = 'arn:aws:acm:eu-central-1:123456789012:certificate/c';
  assert.deepEqual(read({ imageDigest, domainName, certificateArn }).address, { domainName, certificateArn });
});

test('all invalid settings are reported together', () => {
  assert.throws(
    () =>
      read({
        domainName: 'scores.example.com',
        hostedZoneId: 'Z0EXAMPLE',
        hostedZoneName: 'example.org',
        gameServers: 'x',
      }),
    {
      message: [
        'The settings (-c name=value) are not usable:',
        '  - domainName: "scores.example.com" is not in the hosted zone "example.org"',
        '  - imageDigest is missing',
        '  - gameServers: "x" is not usable',
      ].join('\n'),
    },
  );
});

test('a tag is rejected instead of a digest', () => {
  assert.throws(() => read({ ...GIVEN, imageDigest: 'latest' }), /imageDigest: "latest" is not usable/);
});
